package alertmanager

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"evidenced/collectors"
	"evidenced/evidence"
)

// silenceMark is what is remembered of a silence that was told.
type silenceMark struct {
	Since time.Time `json:"t"`           // begin of the state that was told last
	Told  string    `json:"h"`           // hash of its facts
	Over  bool      `json:"o,omitempty"` // its end was told
}

type foundSilence struct {
	*apiSilence
	req evidence.Request
}

// tellSilences emits every silence, and the ends of those that expired.
func (l *look) tellSilences(ctx context.Context) error {
	all := map[string]foundSilence{}
	for _, p := range l.silences.peers {
		for _, raw := range p.items {
			s, ok := parseSilence(raw)
			if !ok {
				l.silences.bad++
				continue
			}
			// Peers tell each other: what was changed last stands.
			if x, twice := all[s.ID]; !twice || s.Updated.After(x.Updated) {
				all[s.ID] = foundSilence{s, p.req}
			}
		}
	}
	l.next.Silences = make(map[string]silenceMark, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if err := l.tellSilence(ctx, all[id]); err != nil {
			return err
		}
	}
	if !l.silences.whole() {
		for id, mark := range l.old.Silences {
			if _, told := l.next.Silences[id]; !told {
				l.next.Silences[id] = mark
			}
		}
		return nil
	}
	l.sink.Complete(evidence.AlertSilence, evidence.Ref{})
	return nil
}

func (l *look) tellSilence(ctx context.Context, s foundSilence) error {
	mark, known := l.old.Silences[s.ID]
	if known && mark.Over && s.Expired {
		l.next.Silences[s.ID] = mark
		return nil
	}
	d := l.silenceDraft(s)
	next := silenceMark{Told: hashOf(string(d.Content))[:16]}
	switch {
	case known && (mark.Told == next.Told || s.Expired):
		next.Since, next.Told = mark.Since, mark.Told // how it ended is told by its end
	case known:
		if next.Since = l.past(s.Updated); !next.Since.After(mark.Since) {
			next.Since = l.at // it reads otherwise without having been changed
		}
	case s.Expired:
		next.Since = l.past(s.Starts) // it was never seen before
	default:
		next.Since = l.past(s.Updated)
	}
	d.OccurredAt, d.Basis = next.Since, evidence.BasisSource
	if next.Since.Equal(l.at) {
		d.Basis = evidence.BasisObserved
	}
	if !s.Expired || !known {
		if err := l.sink.Emit(ctx, d); err != nil {
			return err
		}
	}
	if s.Expired {
		next.Over = true
		at := l.past(s.Ends)
		if !at.After(next.Since) {
			at = next.Since.Add(time.Nanosecond)
		}
		end := l.end(evidence.AlertSilence, d.Subject, d.Key, "expired", at, time.Time{}, evidence.BasisSource)
		end.Scope = d.Scope
		if err := l.sink.Emit(ctx, end); err != nil {
			return err
		}
	}
	l.next.Silences[s.ID] = next
	return nil
}

// past is a time of the source, at most that of the look.
func (l *look) past(t time.Time) time.Time {
	if t.IsZero() || t.After(l.at) {
		return l.at
	}
	return t
}

// silenceDraft makes the record of a silence, but for its time.
func (l *look) silenceDraft(s foundSilence) evidence.Draft {
	w := l.whose(s.Matchers)
	f := evidence.SilenceFacts{ID: s.ID, Matchers: []evidence.AlertMatcher{}, Broad: w.broad, StartsAt: s.Starts, EndsAt: s.Ends, Author: -1, CommentLetters: letterCount(s.Comment)}
	f.MatchersCut = max(len(s.Matchers)-maxMatchers, 0)
	var mentions []evidence.Mention
	room := maxValues
	for i, m := range s.Matchers[:min(len(s.Matchers), maxMatchers)] {
		fact, of := l.matcher(m, w)
		for _, v := range fact.Values {
			room -= len(v)
		}
		if room < 0 {
			fact.Values, fact.Left, of = nil, true, nil
		}
		f.Matchers = append(f.Matchers, fact)
		if len(of) > 0 {
			mentions = append(mentions, evidence.Mention{At: "/matchers/" + strconv.Itoa(i) + "/values", Of: of})
		}
	}
	var people []evidence.Person
	if by := strings.TrimSpace(s.Author); by != "" {
		by = Short(by)
		names := evidence.Names{Display: by}
		if strings.Contains(by, "@") {
			names = evidence.Names{Mail: by}
		}
		f.Author = 0
		people = []evidence.Person{{Role: evidence.RoleAuthor, Realm: "alertmanager:" + l.authority, NativeID: by, Names: names, Proof: evidence.ProofClaimed}}
	}
	d := l.draft(evidence.AlertSilence, evidence.NewRef("silence", l.authority, s.ID), s.ID, f, s.req)
	d.Scope, d.Mentions, d.People = w.scope, mentions, people
	if !w.shared() {
		d.Text = []byte(strings.ToValidUTF8(s.Comment, "\uFFFD"))
	}
	return d
}

// Bounds on what facts hold of one silence: matchers, and bytes of their values.
const (
	maxMatchers = 50
	maxValues   = 16 << 10
)

func letterCount(s string) (n int) {
	for _, r := range s {
		if unicode.IsLetter(r) {
			n++
		}
	}
	return n
}

// reach is whom a silence concerns.
type reach struct {
	scope []evidence.Ref
	broad bool
}

// shared reports whether several tenants may read of the silence.
func (r *reach) shared() bool { return r.broad || len(r.scope) > 1 }

// whose says whom a silence concerns: those whom a condition on the tenant label
// lists, else whom one on the namespace label does. A list that holds the empty
// text matches alerts without the label too, which are somebody else's.
func (l *look) whose(ms []matcher) *reach {
	for _, x := range []struct {
		label string
		ref   func(authority, value string) evidence.Ref
	}{{l.cfg.TenantLabel, l.cfg.tenant}, {l.cfg.NamespaceLabel, l.cfg.namespace}} {
		var best []string
		for _, m := range ms {
			if m.Name != x.label || !m.Equal {
				continue
			}
			values, listed := m.values()
			if listed && !slices.Contains(values, "") && (best == nil || len(values) < len(best)) {
				best = values
			}
		}
		if best == nil {
			continue
		}
		r := &reach{}
		for _, v := range best {
			r.scope = append(r.scope, x.ref(l.authority, v))
		}
		return r
	}
	return &reach{broad: true, scope: []evidence.Ref{evidence.NewRef("ns", l.authority, everywhere), l.cfg.namespace(l.authority, l.cfg.ClusterNamespace)}}
}

// values are the texts that a matcher stands for; false when they cannot be
// listed.
func (m matcher) values() ([]string, bool) {
	if !m.Regex {
		return []string{m.Value}, true
	}
	return alternatives(m.Value)
}

// matcher makes the facts of a condition, and says whose its values are.
//
// A text that names tenants is told by its elements, or not at all. Where several
// tenants read, the values of labels that say something else than which alert it
// is are left out: they may name one of them.
func (l *look) matcher(m matcher, w *reach) (evidence.AlertMatcher, [][]evidence.Ref) {
	f := evidence.AlertMatcher{Name: Short(m.Name), Op: m.op()}
	values, listed := m.values()
	owns := l.cfg.owns(m.Name)
	keeps := l.cfg.kept(m.Name) && collectors.WithoutUser(m.Value) == m.Value && (owns || !w.shared() || m.Name == nameLabel || m.Name == severityLabel)
	switch {
	case !keeps || owns && !listed:
		f.Left, f.Pattern = true, !listed
		return f, nil
	case !listed:
		f.Values, f.Pattern = []string{Short(m.Value)}, true
		return f, nil
	}
	var of [][]evidence.Ref
	for _, v := range values {
		f.Values = append(f.Values, Short(v))
		if !owns {
			continue
		}
		var refs []evidence.Ref
		switch {
		case v == "":
		case m.Name == l.cfg.TenantLabel:
			refs = []evidence.Ref{l.cfg.tenant(l.authority, v)}
		default:
			refs = []evidence.Ref{l.cfg.namespace(l.authority, v)}
		}
		of = append(of, refs)
	}
	return f, of
}
