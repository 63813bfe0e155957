package evidence_test

import (
	"errors"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// The newest is the one recorded last, whatever time it is about, and of its
// kind alone.
func TestNewest(t *testing.T) {
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	log := evidencetest.NewLog(tenant)
	early, late := evidencetest.Start, evidencetest.Start.AddDate(0, 1, 0)
	read := func(at time.Time, id string) evidence.Record {
		return log.Add(evidence.SecretAccess, evidence.OpEvent, at, evidence.AccessFacts{RequestID: id, Secret: "kv/app", Who: -1})
	}
	first := read(late, "a")
	second := read(early, "b")
	log.Add(evidence.ChangeMerge, evidence.OpEvent, late.AddDate(0, 1, 0), evidence.MergeFacts{})
	for _, tc := range []struct {
		name  string
		kind  evidence.Kind
		below uint64
		want  uint64
		ok    bool
	}{
		{"of all", evidence.SecretAccess, log.Size(), second.Seq, true},
		{"before the second", evidence.SecretAccess, second.Seq, first.Seq, true},
		{"the second is in", evidence.SecretAccess, second.Seq + 1, second.Seq, true},
		{"before the first", evidence.SecretAccess, first.Seq, 0, false},
		{"of another kind", evidence.RemedyPlan, log.Size(), 0, false},
	} {
		rec, ok, err := evidence.Newest(t.Context(), log, tc.kind, tc.below)
		if err != nil || ok != tc.ok || rec.Seq != tc.want {
			t.Errorf("%s: record %d, %t, %v; want %d, %t", tc.name, rec.Seq, ok, err, tc.want, tc.ok)
		}
	}
	broken := errors.New("the disk is gone")
	log.Fail("Records", broken) // after the first record that matches
	if _, ok, err := evidence.Newest(t.Context(), log, evidence.SecretAccess, second.Seq); ok || !errors.Is(err, broken) {
		t.Errorf("of a log that cannot be read: %t, %v", ok, err)
	}
}
