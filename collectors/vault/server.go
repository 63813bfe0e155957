package vault

import (
	"context"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// serverFacts asks the server how it is. It answers without a credential and
// does not audit the question; sealing and unsealing can be seen nowhere else.
// https://developer.hashicorp.com/vault/api-docs/system/health
func (c *client) serverFacts(ctx context.Context) (evidence.ServerFacts, error) {
	h, err := c.vault.Sys().HealthWithContext(ctx)
	if err != nil {
		return evidence.ServerFacts{}, describe(err, "sys/health")
	}
	if h.Version == "" {
		return evidence.ServerFacts{}, problem.New(problem.Source, "answer to sys/health says no version")
	}
	text := func(s string) string { return cut(clean([]byte(s)), 200) }
	return evidence.ServerFacts{
		Version: text(h.Version), Initialized: h.Initialized, Sealed: h.Sealed, Standby: h.Standby, PerformanceStandby: h.PerformanceStandby,
		Cluster: text(h.ClusterID), ClusterName: text(h.ClusterName), ReplicationDR: mode(h.ReplicationDRMode), ReplicationPerf: mode(h.ReplicationPerformanceMode),
	}, nil
}

// mode is how a server replicates; a sealed one does not know.
func mode(s string) string {
	switch s {
	case "unknown", "disabled":
		return ""
	}
	return cut(clean([]byte(s)), 40)
}

// health records how the server is. What cannot be asked makes the look
// partial; an error is one of the sink or of ctx.
func (r *run) health(ctx context.Context) error {
	if r.c.api == nil {
		return nil
	}
	r.asked = r.c.env.Clock()
	now, st := r.asked.UTC(), &r.cur.State
	f, err := r.c.api.serverFacts(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.c.notes.Partial("%s: %v", evidence.SecretServer, err)
		return nil
	}
	if f.Sealed {
		r.c.notes.Add("the server is sealed: it answers nobody until it is unsealed")
	}
	w := r.walk(now, st.Asked)
	subject := w.m.ref("server", "vault")
	if err := w.emit(ctx, evidence.SecretServer, subject, &f, func(d *evidence.Draft) { d.Scope = []evidence.Ref{subject, w.m.ref("mount", "sys")} }); err != nil {
		return err
	}
	w.done([]evidence.Kind{evidence.SecretServer}, 0)
	st.Asked = now
	return nil
}

// endsSoon is how long before its end our token is told of.
const endsSoon = 10 * time.Minute

// lifetime notes what is wrong with our own token.
func (r *run) lifetime(me self) {
	left := me.expires.Sub(r.c.env.Clock())
	switch {
	case slices.Contains(me.policies, "root"):
		r.c.notes.Add("our own token is a root token: give us one with the policy of deploy/access/vault")
	case me.endless():
		r.c.notes.Add("our own token never ends: give us one that does, renewed by an agent")
	case !me.expires.IsZero() && left < endsSoon:
		r.c.notes.Add("our own token ends at %s", me.expires.Format(time.RFC3339))
	}
}

// endless reports whether the token is known to have no end.
func (s self) endless() bool { return s.told && s.expires.IsZero() && s.period == 0 }
