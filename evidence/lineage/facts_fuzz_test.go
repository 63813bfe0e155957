package lineage_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/lineage"
	"evidenced/evidence/lineage/lineagetest"
	"evidenced/evidence/pointer"
)

// resolves follows a JSON pointer (RFC 6901) into a document.
func resolves(doc any, at string) bool {
	for _, part := range pointer.Split(at) {
		switch v := doc.(type) {
		case map[string]any:
			next, ok := v[part]
			if !ok {
				return false
			}
			doc = next
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v) {
				return false
			}
			doc = v[i]
		default:
			return false
		}
	}
	return true
}

// Every cause names a field that its record has.
func fieldsResolve(t *testing.T, tr *lineage.Trace) {
	t.Helper()
	for _, l := range tr.Links {
		for _, c := range l.Because {
			b, err := json.Marshal(tr.Records[c.Seq])
			if err != nil {
				t.Fatal(err)
			}
			var doc any
			if err := json.Unmarshal(b, &doc); err != nil {
				t.Fatal(err)
			}
			if !resolves(doc, c.Field) {
				t.Errorf("%s %s %s: record %d has no field %s", l.From, l.Step, l.To, c.Seq, c.Field)
			}
		}
	}
}

func TestFieldsResolve(t *testing.T) {
	l := lineagetest.Tell()
	for _, start := range []evidence.Ref{commit(head), pod, cert, backup, secret, namespace} {
		fieldsResolve(t, walk(t, l, start, lineage.Options{}))
	}
}

// FuzzFacts: whatever facts say, links are read from them without harm, and the
// field of each is there.
func FuzzFacts(f *testing.F) {
	for _, rec := range records(f) {
		f.Add(string(rec.Kind), string(rec.Facts))
	}
	f.Add("runtime.pod", `{"containers":[{"digest":{"a/b":["`+child+`"]}}],"owner":[[[]]]}`)
	f.Add("change.merge", `{"number":1e300,"commits":"x","merged_at":"x"}`)
	f.Fuzz(func(t *testing.T, kind, facts string) {
		var object map[string]any
		info, known := evidence.KindInfo(evidence.Kind(kind))
		if !known || info.Own || json.Unmarshal([]byte(facts), &object) != nil || object == nil || len(facts) > evidence.MaxContent {
			return
		}
		op := evidence.OpEvent
		if info.State {
			op = evidence.OpSet
		}
		d := evidence.Draft{
			Kind: info.Kind, Op: op, Source: "fuzz/prod", Key: "k", Subject: pod, OccurredAt: at(9, 0), Basis: evidence.BasisSource, ObservedAt: at(9, 0), Content: []byte(facts),
			Links: []evidence.Ref{commit(head), image(child), change, pipeline, tag, appNamed, deploy, copyRef, account, secret, namespace, host, cert, issuer, schedule, backup, restore, requestRef("x")},
		}
		if d.Check() != nil {
			return
		}
		l := newLog(t)
		l.AddDraft(d)
		for _, start := range []evidence.Ref{pod, commit(head), account} {
			fieldsResolve(t, walk(t, l, start, lineage.Options{}))
		}
	})
}

// records lists the story's records of kinds that collectors make.
func records(t testing.TB) (all []evidence.Record) {
	for rec, err := range lineagetest.Tell().Records(t.Context(), evidence.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if info, _ := evidence.KindInfo(rec.Kind); !info.Own {
			all = append(all, rec)
		}
	}
	if !slices.ContainsFunc(all, func(r evidence.Record) bool { return r.Kind == evidence.RuntimePod }) {
		t.Fatal("the story has no pod")
	}
	return all
}
