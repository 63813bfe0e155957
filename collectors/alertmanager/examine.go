package alertmanager

import (
	"context"
	"fmt"

	"evidenced/collectors"
	"evidenced/evidence"
)

// Examine implements collectors.Examiner: it asks every peer for its status and
// its lists. The error is that of a source of which nothing could be read.
func (c *Collector) Examine(ctx context.Context) (collectors.Examination, error) {
	x := collectors.Examination{Identity: "nobody: the API knows no accounts"}
	if c.cfg.TokenFile != "" {
		x.Identity = "the credential of token_file"
	}
	read := 0
	var first error
	right := func(name string, kind evidence.Kind, err error) {
		r := collectors.Right{Name: name, Access: collectors.Readable, Kinds: []evidence.Kind{kind}}
		if err != nil {
			r.Access, r.Hint = collectors.Missing, err.Error()
			if first == nil {
				first = err
			}
		} else {
			read++
		}
		x.Rights = append(x.Rights, r)
	}
	members := 0
	for _, p := range c.peers {
		p.http.ResetStats()
		st, err := p.status(ctx)
		right("status of "+p.name, evidence.AlertInstance, err)
		if err == nil {
			x.Version, members = st.Version, max(members, st.Members)
		}
		_, _, err = p.list(ctx, "api/v2/alerts")
		right("alerts of "+p.name, evidence.AlertInstance, err)
		_, _, err = p.list(ctx, "api/v2/silences")
		right("silences of "+p.name, evidence.AlertSilence, err)
		if err := ctx.Err(); err != nil {
			return x, err
		}
		stats := p.http.Stats()
		x.Requests += stats.Requests
		if !x.OffsetOK {
			x.Offset, x.OffsetOK = stats.Offset, stats.OffsetOK
		}
	}
	if read == 0 {
		return x, first
	}
	if members > len(c.peers) {
		x.Rights = append(x.Rights, collectors.Right{
			Name: fmt.Sprintf("peers of the cluster: %d of %d", len(c.peers), members), Access: collectors.Missing, Kinds: kinds, Hint: "name every peer in urls",
		})
	}
	x.Rights = append(x.Rights, collectors.Right{
		Name: "make and expire silences", Access: collectors.Untold,
		Hint: "an Alertmanager asks nobody who they are: let only GET through to it, see deploy/access/alertmanager",
	})
	return x, nil
}
