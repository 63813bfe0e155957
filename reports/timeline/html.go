package timeline

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"iter"
	"strconv"

	"evidenced/evidence"
	"evidenced/reports"
)

// maxLines is how many lines stand in a page. Browsers cannot show more at
// once; the picture counts them all.
const maxLines = 20_000

// style is the page's own, small enough to stand in it. The families are shown
// and hidden by their boxes without a script.
const style = `
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#59636e;--line:#d1d9e0;--page:#fff;--soft:#f6f8fa;--blind:#8a5a00;--blindpage:#fff4dc;
--change:#0969da;--build:#6639ba;--deploy:#1a7f37;--secret:#bc4c00;--keep:#0f7b83;--judge:#b3261e;--own:#59636e}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9198a1;--line:#3d444d;--page:#0d1117;--soft:#151b23;--blind:#e3b341;--blindpage:#2d2410;
--change:#58a6ff;--build:#bc8cff;--deploy:#56d364;--secret:#ffa657;--keep:#56d4dd;--judge:#ff7b72;--own:#9198a1}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1.5rem;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page)}
h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:1.6rem 0 .4rem;position:sticky;top:0;background:var(--page);padding:.3rem 0;border-bottom:1px solid var(--line)}
.sub,.note{color:var(--dim)}.demo{border:2px solid var(--judge);color:var(--judge);padding:.5rem .8rem;font-weight:600}
.picture{overflow-x:auto;margin:1rem 0;border:1px solid var(--line);border-radius:6px;background:var(--soft)}.picture svg{display:block;width:100%;min-width:62rem;height:auto}
fieldset{border:1px solid var(--line);border-radius:6px;display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;margin:0 0 1rem;padding:.5rem .8rem}
label{white-space:nowrap}ol{list-style:none;margin:0;padding:0}
li{display:grid;grid-template-columns:6.2rem 4.5rem 1fr;gap:0 .6rem;padding:.25rem .4rem;border-left:3px solid var(--c);margin:.15rem 0;overflow-wrap:anywhere}
li:target{background:var(--soft);outline:1px solid var(--line)}
time,.n{font-variant-numeric:tabular-nums;color:var(--dim)}.n{text-align:right}.n a,.src a{color:inherit}.nb{white-space:nowrap}
.src{color:var(--dim);font-size:.87em}.times{font-weight:600}
li.blind{--c:var(--blind);background:var(--blindpage)}
summary{cursor:pointer;list-style:none}summary::-webkit-details-marker{display:none}summary::after{content:" ⋯";color:var(--dim)}pre{white-space:pre-wrap;margin:.3rem 0;font-size:.85em;color:var(--dim)}
.change{--c:var(--change)}.build{--c:var(--build)}.deploy{--c:var(--deploy)}.secret{--c:var(--secret)}.keep{--c:var(--keep)}.judge{--c:var(--judge)}.own{--c:var(--own)}
label.change,label.build,label.deploy,label.secret,label.keep,label.judge,label.own{border-bottom:3px solid var(--c)}
body:has(#f-change:not(:checked)) li.change,body:has(#f-build:not(:checked)) li.build,body:has(#f-deploy:not(:checked)) li.deploy,body:has(#f-secret:not(:checked)) li.secret,body:has(#f-keep:not(:checked)) li.keep,body:has(#f-judge:not(:checked)) li.judge,body:has(#f-own:not(:checked)) li.own{display:none}
@media (max-width:40rem){body{padding:.8rem}li{grid-template-columns:1fr auto}li>div,li>details{grid-column:1/-1}}
@media print{fieldset{display:none}h2{position:static}li{break-inside:avoid}body{max-width:none;padding:0;font-size:10pt}.picture svg{min-width:0}}
`

// policy lets the page use its own style and nothing else: no script, nothing
// loaded, nothing sent.
func policy() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
}

// HTML writes the timeline as one page that needs nothing beside itself: a
// picture, then the lines. It goes through the lines twice, first for the
// picture.
func HTML(w io.Writer, head Head, lines iter.Seq2[Line, error]) error {
	pic := newPicture(head.Period)
	for l, err := range lines {
		if err != nil {
			return err
		}
		pic.add(&l)
	}
	p := &page{b: bufio.NewWriter(w)}
	p.head(head, pic)
	day, n := "", 0
	for l, err := range lines {
		if err != nil {
			return cmpErr(p.b.Flush(), err)
		}
		if n == maxLines {
			break
		}
		if d := l.At.UTC().Format("Monday 2 January 2006"); d != day {
			if day != "" {
				p.put("</ol>\n")
			}
			day = d
			p.put("<h2>%s (UTC)</h2>\n<ol>\n", d)
		}
		p.line(&l)
		n++
	}
	if day != "" {
		p.put("</ol>\n")
	}
	if pic.lines > n {
		p.put("<p class=\"note\">%s more are not shown; --csv and --json have all.</p>\n", reports.Count(pic.lines-n, "line"))
	}
	p.put("<p class=\"note\">%s, %s. ~ when we saw it, ? as claimed, else the source's own time. Numbers are those of the records in the log.</p>\n</body>\n</html>\n",
		reports.Count(pic.records, "record"), reports.Count(pic.gaps, "blind window"))
	return p.b.Flush()
}

// page writes HTML. Every argument that is a string was escaped by its caller.
type page struct{ b *bufio.Writer }

func (p *page) put(format string, args ...any) { fmt.Fprintf(p.b, format, args...) }

func (p *page) head(h Head, pic *picture) {
	tenant, span := reports.HTML(h.Tenant.String()), reports.HTML(reports.Span(h.Period.From, h.Period.To))
	title := fmt.Sprintf("What happened in %s, %s (UTC)", tenant, span)
	p.put("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"%s\">\n", reports.HTML(policy()))
	p.put("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" content=\"no-referrer\">\n<title>%s</title>\n<style>%s</style>\n</head>\n<body>\n", title, style)
	p.put("<h1>What happened in <span class=\"nb\">%s</span>, %s (UTC)</h1>\n<p class=\"sub\">as known at log size %d of %s</p>\n", tenant, span, h.Size, reports.HTML(h.Origin))
	if h.Demo {
		p.put("<p class=\"demo\">%s</p>\n", reports.HTML(reports.Demonstration))
	}
	p.put("<div class=\"picture\">\n")
	pic.draw(p)
	p.put("</div>\n<fieldset><legend>Show</legend>\n")
	for i, f := range families {
		if pic.families[i] > 0 {
			p.put("<label class=\"%s\"><input type=\"checkbox\" id=\"f-%s\" checked> %s (%d)</label>\n", f.id, f.id, reports.HTML(f.title), pic.families[i])
		}
	}
	p.put("</fieldset>\n")
}

func (p *page) line(l *Line) {
	at := evidence.FormatTime(l.At)
	if l.Gap {
		p.put("<li class=\"blind\"><time datetime=\"%s\">%s</time><span class=\"n\">BLIND</span><div>%s</div></li>\n", at, l.At.UTC().Format("15:04:05"), reports.HTML(l.Says))
		return
	}
	mark := ""
	switch l.Basis {
	case evidence.BasisObserved:
		mark = "~"
	case evidence.BasisClaimed:
		mark = "?"
	}
	p.put("<li class=\"%s\" id=\"r%d\"><time datetime=\"%s\">%s%s</time><span class=\"n\"><a href=\"#r%d\">%d</a></span><details><summary>%s",
		families[familyOf(l.Kind)].id, l.Seq, at, mark, l.At.UTC().Format("15:04:05"), l.Seq, l.Seq, reports.HTML(l.Says))
	if !l.NotBefore.IsZero() {
		p.put(", not so at %s", reports.HTML(reports.Near(l.NotBefore, l.At)))
	}
	if n := l.several(); n != "" {
		p.put(": <span class=\"times\">%s</span>", n)
	}
	if l.Source != "" {
		p.put(" <span class=\"src\">%s</span>", reports.HTML(string(l.Source)))
	}
	if len(l.Follows) > 0 {
		p.put(" <span class=\"src\">after")
		for _, f := range l.Follows {
			p.put(" <a href=\"#r%d\" title=\"%s, by %s\">%d</a>", f.Record, reports.HTML(string(f.Kind)), reports.HTML(f.By), f.Record)
		}
		p.put("</span>")
	}
	p.behind(l)
	p.put("</details></li>\n")
}

// behind is what a line shows when it is opened.
func (p *page) behind(l *Line) {
	p.put("</summary><pre>%s", reports.HTML(string(l.Kind)+" "+string(l.Op)))
	if l.Subject != "" {
		p.put("\nabout  %s", reports.HTML(l.Subject))
	}
	for _, w := range l.Who {
		p.put("\n%s  %s (%s)", reports.HTML(string(w.Role)), reports.HTML(w.Label), reports.HTML(string(w.Proof)))
	}
	if l.Count > 0 {
		p.put("\nrecords ")
		for _, s := range l.Records {
			p.put(" %s", strconv.FormatUint(s, 10))
		}
		if more := l.Count - len(l.Records); more > 0 {
			p.put(" and %d more", more)
		}
	}
	if l.Closed == "" && len(l.Facts) > 0 {
		p.put("\nfacts  %s", reports.HTML(reports.Shorten(string(l.Facts), 2000)))
	}
	p.put("</pre>")
}
