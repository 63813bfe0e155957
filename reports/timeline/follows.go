package timeline

import (
	"slices"

	"evidenced/evidence"
)

// Follow is an earlier record of the timeline that a record is about too: the
// merge whose commit a sync brings, the image that a pod runs.
type Follow struct {
	Record uint64        `json:"record"`
	Kind   evidence.Kind `json:"kind"`
	By     string        `json:"by"` // the reference that both hold
}

// Limits of what is remembered.
const (
	remembered = 50_000 // references in each of two generations
	follows    = 4      // of one record
)

// telling are schemes of references that join records of different kinds.
// Namespaces, hosts and projects join everything with everything.
var telling = map[string]bool{
	"commit": true, "change": true, "image": true, "imagetag": true, "app": true, "sync": true, "workload": true, "pod": true, "secret": true,
	"copy": true, "account": true, "pipeline": true, "release": true, "object": true, "incident": true, "finding": true, "cert": true, "branch": true,
}

// memory knows which record last was about a thing. It forgets the oldest when
// it is full, so a timeline of a year needs no more of it than one of a day.
type memory struct {
	young, old map[string]seen
}

type seen struct {
	seq  uint64
	kind evidence.Kind
}

func newMemory() *memory { return &memory{map[string]seen{}, map[string]seen{}} }

// look returns the records that rec follows, the newest of each reference, and
// remembers what rec is about.
func (m *memory) look(rec *evidence.Record) []Follow {
	var out []Follow
	refs := append([]evidence.Ref{rec.Subject}, rec.Links...)
	for _, r := range refs {
		if !telling[r.Scheme] || len(out) >= follows {
			continue
		}
		key := bare(r)
		s, ok := m.young[key]
		if !ok {
			s, ok = m.old[key]
		}
		if ok && s.kind != rec.Kind && !slices.ContainsFunc(out, func(f Follow) bool { return f.Record == s.seq }) {
			out = append(out, Follow{s.seq, s.kind, key})
		}
	}
	for _, r := range refs {
		if telling[r.Scheme] {
			m.young[bare(r)] = seen{rec.Seq, rec.Kind}
		}
	}
	if len(m.young) > remembered {
		m.young, m.old = map[string]seen{}, m.young
	}
	return out
}

// bare is the reference without uid: not every source knows it.
func bare(r evidence.Ref) string {
	r.UID = ""
	return r.String()
}
