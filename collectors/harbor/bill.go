package harbor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// How the reading of a bill of materials ends for good: its bytes never change,
// since its digest names them.
var settledBills = []string{"read", "gone", "unsupported", "too-large", "unreadable"}

// maxTries is how often a bill that is none is read: a proxy may have answered
// in the registry's place. Whoever may push writes that document, and must not
// keep runs from ever being complete.
const maxTries = 3

// bill reads the document behind f, once for as long as the registry shows it,
// and adds to f what it says. A document that was read before is not read again:
// f then says so, and what it held stands in the record of that look. One that
// cannot be read just now is owed: f.Content stays empty, nothing is handed over
// and no list is complete. mark is to be remembered when f was handed over; nil:
// nothing is. An error is the end of the look.
func (l *look) bill(p *project, repository string, f *evidence.SBOMFacts) (req evidence.Request, mark *stamp, err error) {
	about := string(forge.Encode(*f))
	for _, how := range settledBills {
		if m := stampOf(about, how); p.state.Bills[m] {
			f.Content = how
			return req, &m, nil
		}
	}
	if p.refused {
		f.Content = "refused"
		return req, nil, nil
	}
	path := repositoryPath(p.Name, repository) + "/artifacts/" + url.PathEscape(f.Digest) + "/additions/sbom"
	doc, req, err := l.readBill(path)
	how := "read"
	switch s := status(err); {
	case err == nil:
		doc.into(f)
		f.SHA256 = req.Response
		if doc.cut {
			l.note("a bill of materials of project %s names more than is kept: its list is not whole", p.Name)
		}
	case s == http.StatusForbidden:
		l.note("bills of materials of project %s may not be read: add artifact-addition:read; that they are there is kept", p.Name)
		p.refused, how = true, "refused"
	case s == http.StatusNotFound:
		how = "gone"
	case s == http.StatusBadRequest || s == http.StatusMethodNotAllowed || s == http.StatusUnprocessableEntity:
		how = "unsupported"
	case errors.Is(err, errTooLarge):
		how = "too-large"
	case errors.Is(err, errShape):
		how = again(p, about, err)
	case forge.Ends(l.ctx, err):
		return req, nil, err
	default:
		how = ""
		owe(p, err)
	}
	f.Content = how
	if how == "" || how == "refused" {
		return req, nil, nil
	}
	l.pending += 20 // a document costs a request: it is not read again after a cut
	m := stampOf(about, how)
	return req, &m, nil
}

// again counts the readings of what is no bill of materials; after the last one
// it is unreadable.
func again(p *project, about string, err error) string {
	s := stampOf(about)
	key := hex.EncodeToString(s[:])
	n := p.state.Tries[key] + 1
	if n >= maxTries {
		return "unreadable"
	}
	p.tries[key] = n
	owe(p, err)
	return ""
}

func owe(p *project, err error) {
	p.owed++
	if p.why == nil {
		p.why = err
	}
}

// billTime bounds the reading of one document, whatever a trickling server does.
const billTime = 5 * time.Minute

// brokenReads is how often a document that breaks off is asked for in one look.
const brokenReads = 3

// readBill reads one document as it arrives. Its hash stands in the request.
func (l *look) readBill(path string) (b *bom, req evidence.Request, err error) {
	u, err := l.fetch.URL("api/v2.0/"+path, nil)
	if err != nil {
		return nil, req, err
	}
	req = evidence.Request{Method: http.MethodGet, URL: fetch.SafeURL(u), Agent: agent}
	for range brokenReads {
		if b, req.Response, err = l.readBillOnce(path); err == nil || status(err) != 0 || errors.Is(err, errTooLarge) || forge.Ends(l.ctx, err) {
			break
		}
	}
	return b, req, err
}

func (l *look) readBillOnce(path string) (*bom, string, error) {
	ctx, cancel := context.WithTimeout(l.ctx, billTime)
	defer cancel()
	body, _, err := l.fetch.Open(ctx, "api/v2.0/"+path, nil, fetch.Reading{Idle: l.cfg.Timeout})
	if err != nil {
		return nil, "", err
	}
	defer body.Close()
	h := sha256.New()
	b, err := readBOM(io.TeeReader(&limited{body, l.maxBOM}, h))
	if err != nil {
		return nil, "", err
	}
	return b, hex.EncodeToString(h.Sum(nil)), nil
}
