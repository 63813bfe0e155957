package certs

import (
	"context"
	"fmt"

	"evidenced/collectors"
	"evidenced/evidence"
)

// maxRights bounds how many endpoints and files an examination names; those
// that cannot be looked at come first.
const maxRights = 100

// Examine implements collectors.Examiner: it looks at every endpoint and file
// once. There is no credential, so nothing can be too powerful.
func (c *Collector) Examine(ctx context.Context) (collectors.Examination, error) {
	x := collectors.Examination{Identity: "nobody: handshakes only"}
	roots, err := c.roots()
	if err != nil {
		return x, err
	}
	res, err := parseResume(nil)
	if err != nil {
		return x, err
	}
	es, listErr := c.allEndpoints()
	all := c.probeAll(ctx, es, roots, res)
	if err := ctx.Err(); err != nil {
		return x, err
	}
	all = append(all, c.readFiles(ctx, roots, res)...)
	if err := ctx.Err(); err != nil {
		return x, err
	}
	if listErr != nil {
		all = append(all, sighting{name: c.cfg.EndpointsFile, err: listErr})
	}
	x.Requests = len(es)
	bad, good := []collectors.Right{}, []collectors.Right{}
	for _, g := range all {
		r := collectors.Right{Name: g.name, Access: collectors.Readable, Kinds: []evidence.Kind{evidence.CertState}}
		switch {
		case g.err != nil:
			r.Access, r.Hint = collectors.Missing, g.err.Error()
			bad = append(bad, r)
			continue
		case g.none:
			r.Access, r.Hint = collectors.Absent, "the file holds no certificate"
		}
		good = append(good, r)
	}
	x.Rights = append(bad, good...)
	if more := len(x.Rights) - maxRights; more > 0 {
		rest := collectors.Right{Name: fmt.Sprintf("%d more endpoints and files", more), Access: collectors.Readable}
		if len(bad) > maxRights {
			rest.Access = collectors.Missing
		}
		x.Rights = append(x.Rights[:maxRights:maxRights], rest)
	}
	return x, nil
}
