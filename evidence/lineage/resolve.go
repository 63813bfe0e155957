package lineage

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"evidenced/evidence"
)

// Wanted is what somebody typed to name a thing, as far as it can be
// understood without a log.
type Wanted struct {
	Text    string
	Record  uint64 // a record by number, when Numbered
	Number  bool
	Exact   evidence.Ref // a whole reference; zero when it was not one
	guesses []guess
	name    string   // without the word that says what it is
	only    []string // schemes that word stands for; nil: any
}

// guess is a reference without its authority.
type guess struct {
	scheme, name string
	bare         bool // its authority is empty
}

// maxWanted bounds what is typed, in bytes.
const maxWanted = 2048

var (
	shortID  = regexp.MustCompile(`^(sha256:)?([0-9a-f]{7,63})$`)
	objectID = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)
	digestID = regexp.MustCompile(`^(?:.*@)?(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)
	number   = regexp.MustCompile(`^(?:record )?#?([0-9]{1,18})$`)
	hostName = regexp.MustCompile(`^[A-Za-z0-9*_-]+(?:\.[A-Za-z0-9_-]+)+\.?(?::[0-9]{1,5})?$`)
	request  = regexp.MustCompile(`![0-9]+$`)
)

// words are the names of things that may stand before or after a name, and the
// schemes they stand for.
var words = map[string][]string{
	"commit": {"commit"}, "image": {"image", "imagetag"}, "digest": {"image"}, "tag": {"imagetag"},
	"change": {"change"}, "request": {"change", "request"}, "review": {"review"}, "pipeline": {"pipeline"}, "check": {"check"}, "release": {"release"}, "run": {"tfrun"}, "state": {"tfstate"},
	"app": {"app"}, "application": {"app"}, "workload": {"workload"}, "pod": {"pod"}, "node": {"node"}, "account": {"account"},
	"namespace": {"namespace"}, "ns": {"namespace"}, "copy": {"copy"}, "secret": {"secret", "copy"}, "access": {"request"},
	"host": {"host"}, "endpoint": {"host", "cert"}, "certificate": {"object:Certificate.cert-manager.io", "host"}, "cert": {"object:Certificate.cert-manager.io", "host"},
	"backup": {"object:Backup.velero.io"}, "restore": {"object:Restore.velero.io"}, "schedule": {"object:Schedule.velero.io"},
	"workflow": {"object:Workflow.argoproj.io"}, "cronworkflow": {"object:CronWorkflow.argoproj.io"},
	"externalsecret": {"object:ExternalSecret.external-secrets.io"}, "issuer": {"object:Issuer.cert-manager.io"}, "clusterissuer": {"object:ClusterIssuer.cert-manager.io"},
}

// Parse reads what somebody typed: a reference as records show it, a record's
// number, a commit's id or a digest, whole or the first seven digits of it or
// more, or the name of a thing, with a word
// before or after it that says what it is ("tenant-7/web app").
func Parse(text string) (Wanted, error) {
	w := Wanted{Text: strings.TrimSpace(text)}
	switch {
	case w.Text == "":
		return w, fmt.Errorf("nothing is named")
	case len(w.Text) > maxWanted:
		return w, fmt.Errorf("a name of %d bytes, at most %d", len(w.Text), maxWanted)
	case !utf8.ValidString(w.Text) || strings.ContainsFunc(w.Text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return w, fmt.Errorf("a name with characters that no name has")
	}
	if m := number.FindStringSubmatch(w.Text); m != nil {
		n, err := strconv.ParseUint(m[1], 10, 53)
		if err != nil {
			return w, fmt.Errorf("record %s: no log has so many", m[1])
		}
		w.Record, w.Number = n, true
		return w, nil
	}
	if ref, err := evidence.ParseRef(w.Text); err == nil {
		if ref.Scheme == "person" {
			return w, errPerson
		}
		if !Traceable(ref) {
			return w, fmt.Errorf("no chain passes a %s", ref.Scheme)
		}
		w.Exact = ref
		return w, nil
	}
	w.guess()
	if short := shortID.MatchString(w.name) && (w.only == nil || slices.Contains(w.only, "commit") || slices.Contains(w.only, "image")); len(w.guesses) == 0 && !short {
		return w, fmt.Errorf("%q names nothing that a chain passes", w.Text)
	}
	return w, nil
}

var errPerson = fmt.Errorf("a person is no part of a chain")

// guess lists what the text may name.
func (w *Wanted) guess() {
	name, schemes := w.Text, []string(nil)
	if first, rest, ok := strings.Cut(name, " "); ok && words[strings.ToLower(first)] != nil {
		name, schemes = strings.TrimSpace(rest), words[strings.ToLower(first)]
	} else if i := strings.LastIndexByte(name, ' '); i > 0 && words[strings.ToLower(name[i+1:])] != nil {
		name, schemes = strings.TrimSpace(name[:i]), words[strings.ToLower(name[i+1:])]
	}
	if name == "" {
		return
	}
	w.name, w.only = name, schemes
	add := func(scheme, name string, bare bool) {
		g := guess{scheme, name, bare}
		kind, _, object := strings.Cut(scheme, ":")
		if schemes != nil && !slices.ContainsFunc(schemes, func(s string) bool {
			return s == scheme || object && s == kind || scheme == "object" && strings.HasPrefix(s, "object:")
		}) {
			return
		}
		if !slices.Contains(w.guesses, g) {
			w.guesses = append(w.guesses, g)
		}
	}
	switch {
	case objectID.MatchString(name):
		add("commit", name, true)
		return
	case digestID.MatchString(name):
		add("image", digestID.FindStringSubmatch(name)[1], true)
		return
	case request.MatchString(name):
		add("change", name, false)
		return
	}
	if u, err := url.Parse(name); err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") {
		name = u.Host
	}
	if hostName.MatchString(name) {
		host, _, _ := strings.Cut(strings.TrimSuffix(name, "."), ":")
		add("host", strings.ToLower(host), false)
		add("cert", name, false)
	}
	for _, s := range schemes {
		if kind, ok := strings.CutPrefix(s, "object:"); ok {
			if !strings.Contains(name, "/") {
				add("object", kind+"//"+name, false) // of no namespace
			}
			add("object", kind+"/"+name, false)
		}
	}
	if strings.Contains(name, "/") {
		for _, s := range []string{"app", "pod", "workload", "copy", "account", "secret", "pipeline", "check", "release", "review", "tfrun", "tfstate"} {
			add(s, name, false)
		}
		add("secret", strings.Replace(name, "/data/", "/", 1), false)
		if kind, _, _ := strings.Cut(name, "/"); strings.Contains(kind, ".") {
			add("object", name, false)
		}
		if strings.Contains(last(name, "/"), ":") {
			add("imagetag", name, true)
		}
	} else {
		for _, s := range []string{"namespace", "node", "request"} {
			add(s, name, false)
		}
	}
	add("app", name, false) // by its last name, among those in force
}

// Found is what a text names in a log.
type Found struct {
	Ref    evidence.Ref    // zero for a record without a reference of its own
	Record evidence.Record // of Wanted.Number, else zero
	Stage  Stage
	Says   string // what it is, for a list to choose from
}

// maxNamed bounds the applications looked through for a last name.
const maxNamed = 2000

// Resolve returns what the text names in the log of r: nothing, one thing, or
// several to choose from. Applications are known by their last name too, and by
// namespace and name of where they deploy, as of the instant; zero is now, the
// newest the log knows.
func Resolve(ctx context.Context, r evidence.Reader, w Wanted, at time.Time) ([]Found, error) {
	if w.Number {
		if w.Record >= r.Size() {
			// One id in thirty begins with seven digits and no letter.
			w.name = w.Text
			return shortIDs(ctx, r, w, at)
		}
		rec, err := r.Record(ctx, w.Record)
		if err != nil {
			return nil, err
		}
		e := about(&rec)
		return []Found{{e.ref, rec, e.stage, fmt.Sprintf("record %d (%s)", rec.Seq, rec.Kind)}}, nil
	}
	if !w.Exact.IsZero() {
		known, err := isKnown(ctx, r, w.Exact)
		if err != nil || !known {
			return nil, err
		}
		return []Found{foundRef(w.Exact)}, nil
	}
	authorities, err := authoritiesAt(ctx, r, at)
	if err != nil {
		return nil, err
	}
	var found []Found
	for _, g := range w.guesses {
		as := authorities
		if g.bare {
			as = []string{""}
		}
		for _, a := range as {
			ref := evidence.NewRef(g.scheme, a, g.name)
			known, err := isKnown(ctx, r, ref)
			if err != nil {
				return nil, err
			}
			if known && !sameAs(found, ref) {
				found = append(found, foundRef(ref))
			}
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	if found, err = appsNamed(ctx, r, w, at); err != nil || len(found) > 0 {
		return found, err
	}
	return shortIDs(ctx, r, w, at)
}

// sameAs reports whether a reference is of something that was found already: a
// host is one host, whichever source looks at it and at whichever of its ports.
func sameAs(found []Found, ref evidence.Ref) bool {
	return slices.ContainsFunc(found, func(f Found) bool {
		return f.Ref == ref || f.Stage == Host && (ref.Scheme == "host" && ref.Name == f.Ref.Name || ref.Scheme == "cert" && ref.Authority == f.Ref.Authority)
	})
}

// authoritiesAt returns the authorities under which things were known around
// the instant: the last parts of the names of the sources that were looked at.
func authoritiesAt(ctx context.Context, r evidence.Reader, at time.Time) ([]string, error) {
	q := evidence.Query{Kinds: []evidence.Kind{evidence.CollectionCoverage}, Backward: true, Limit: maxSources}
	if !at.IsZero() {
		q.Period.To = at.Add(26 * time.Hour) // a day's coverage is told when the day is over
	}
	var sources []evidence.SourceID
	for rec, err := range r.Records(ctx, q) {
		if err != nil {
			return nil, err
		}
		var f evidence.CoverageFacts
		if rec.Decode(&f) == nil && !slices.Contains(sources, f.Source) {
			sources = append(sources, f.Source)
		}
	}
	slices.Sort(sources)
	return authoritiesOf(sources), nil
}

// maxSources is how many coverage records are read for the names of sources.
const maxSources = 400

func foundRef(ref evidence.Ref) Found {
	return Found{Ref: ref, Stage: StageOf(ref), Says: ref.String()}
}

// isKnown reports whether a record names the thing.
func isKnown(ctx context.Context, r evidence.Reader, ref evidence.Ref) (bool, error) {
	q := evidence.Query{Link: ref, Kinds: slices.Concat(making, using), Limit: 1}
	for _, err := range r.Records(ctx, q) {
		return err == nil, err
	}
	return false, nil
}

// appsNamed looks for applications by a shorter name than their whole one.
func appsNamed(ctx context.Context, r evidence.Reader, w Wanted, at time.Time) ([]Found, error) {
	if at.IsZero() {
		at = ever
	}
	var names []string
	for _, g := range w.guesses {
		if g.scheme == "app" {
			names = append(names, g.name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	var found []Found
	n := 0
	for rec, err := range r.States(ctx, evidence.DeployState, at) {
		if err != nil {
			return nil, err
		}
		if n++; n > maxNamed {
			break
		}
		var f evidence.DeployFacts
		if rec.Decode(&f) != nil {
			continue
		}
		short := last(f.App, "/")
		if slices.Contains(names, short) || slices.Contains(names, f.Namespace+"/"+short) {
			found = append(found, foundRef(rec.Subject))
		}
	}
	return found, nil
}
