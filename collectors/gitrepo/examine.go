package gitrepo

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"

	"evidenced/collectors"
	"evidenced/collectors/gitrepo/signed"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Examine implements collectors.Examiner: it asks each repository for its refs,
// and each https server whether the credential may push, which changes nothing.
func (c *Collector) Examine(ctx context.Context) (collectors.Examination, error) {
	x := collectors.Examination{}
	if _, err := signed.Load(c.cfg.SignerFiles); err != nil {
		return x, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	for _, t := range c.targets {
		l := &look{run: &run{Collector: c, at: c.now()}, t: t, ctx: ctx, outer: ctx}
		r := collectors.Right{Name: "repository " + t.Name, Access: collectors.Readable, Kinds: c.Kinds()}
		refs, err := l.askRefs()
		if ctx.Err() != nil {
			return x, ctx.Err()
		}
		switch {
		case err != nil:
			r.Access, r.Hint = collectors.Missing, err.Error()
			if p := problem.Of(err); p != nil && p.Hint != "" {
				r.Hint += ": " + p.Hint
			}
		case refs == 0:
			r.Access, r.Hint = collectors.Absent, "it has no branch and no tag yet"
		}
		x.Rights = append(x.Rights, r)
		if err == nil && t.place != placeLocal {
			x.Rights = append(x.Rights, l.mayPush())
		}
		x.Requests += l.wire.requests
		if l.wire.offsetOK {
			x.Offset, x.OffsetOK = l.wire.offset, true
		}
		if l.wire.identity != "" {
			x.Identity = l.wire.identity
		}
	}
	return x, nil
}

// askRefs counts the branches and tags that can be seen.
func (l *look) askRefs() (int, error) {
	var names map[string]plumbing.Hash
	if l.t.place == placeLocal {
		refs, err := l.open()
		if err != nil {
			return 0, err
		}
		l.objs.close()
		names = refs
	} else {
		sess, err := l.session()
		if err != nil {
			return 0, l.remoteError(err)
		}
		defer sess.Close()
		stop := context.AfterFunc(l.ctx, func() { _ = sess.Close() })
		defer stop()
		l.wire.requests++
		ar, err := sess.AdvertisedReferencesContext(l.ctx)
		if errors.Is(err, transport.ErrEmptyRemoteRepository) {
			return 0, nil
		}
		if err != nil {
			return 0, l.remoteError(err)
		}
		names = ar.References
	}
	n := 0
	for name := range names {
		if strings.HasPrefix(name, headPrefix) || strings.HasPrefix(name, tagPrefix) {
			n++
		}
	}
	return n, nil
}

// mayPush asks an https server what it would tell somebody who is about to push
// (git-http-backend, service git-receive-pack): a refusal is what is wanted. Over
// ssh the question cannot be asked without beginning a push.
func (l *look) mayPush() collectors.Right {
	r := collectors.Right{Name: "push to " + l.t.Name, Access: collectors.Untold, Kinds: []evidence.Kind{evidence.ChangeRef}}
	if l.t.place != placeHTTPS {
		r.Hint = "over ssh this cannot be asked: see that the deploy key is marked read-only at the server"
		return r
	}
	client, auth, err := l.https()
	if err != nil {
		r.Hint = "the question could not be asked"
		return r
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	req, err := http.NewRequestWithContext(l.ctx, http.MethodGet, strings.TrimSuffix(l.t.dial, "/")+"/info/refs?service=git-receive-pack", nil)
	if err != nil {
		r.Hint = "the question could not be asked"
		return r
	}
	if auth != nil {
		req.SetBasicAuth(auth.Username, auth.Password)
	}
	l.wire.requests++
	resp, err := client.Do(req)
	if err != nil {
		r.Hint = "the question could not be asked"
		return r
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	switch {
	case resp.StatusCode == http.StatusOK && strings.Contains(resp.Header.Get("Content-Type"), "git-receive-pack"):
		r.Access, r.Hint = collectors.Excess, "make a token that reads only"
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusNotFound:
		r.Name, r.Access, r.Hint = "the credential of "+l.t.Name+" may not push", collectors.Readable, ""
	default:
		r.Hint = "the server did not say"
	}
	return r
}
