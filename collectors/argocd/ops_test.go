package argocd

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// told describes what a look gave, one line for each operation.
func told(mv moves) []string {
	var out []string
	for _, s := range mv.sights {
		l := fmt.Sprintf("%s %s %s id %d", strings.TrimPrefix(s.op.Key, "2026-03-02T"), s.facts.Seen, s.facts.Phase, s.facts.HistoryID)
		for _, w := range []struct {
			on   bool
			word string
		}{{s.facts.Partial, "partial"}, {s.facts.DryRun, "dry-run"}, {s.facts.Prune, "prune"}, {s.facts.LocalManifests, "local"}, {len(s.facts.Objects) > 0, "objects"}} {
			if w.on {
				l += " " + w.word
			}
		}
		out = append(out, l)
	}
	if mv.skipped {
		out = append(out, "SKIPPED")
	}
	if mv.lost != "" {
		out = append(out, "LOST "+mv.lost)
	}
	return out
}

func TestOperations(t *testing.T) {
	alice := by("alice")
	selective := set([]obj{{"group": "apps", "kind": "Deployment", "name": "web"}}, "operation", "sync", "resources")
	other := set([]obj{{"group": "", "kind": "ConfigMap", "name": "left-over"}}, "operation", "sync", "resources")
	for _, c := range []struct {
		name  string
		looks [][]change
		want  [][]string
	}{
		{
			"from start to end, in slot and history",
			[][]change{
				{slot("Running", sha1st, 10, alice)},
				{slot("Running", sha1st, 10, alice), history(0, sha1st, 11, alice)},
				{slot("Succeeded", sha1st, 10, alice), history(0, sha1st, 11, alice)},
				{slot("Succeeded", sha1st, 10, alice), history(0, sha1st, 11, alice)},
			},
			[][]string{{"13:00:10Z operation Running id -1"}, {"13:00:10Z both Succeeded id 0"}, {"13:00:10Z both Succeeded id 0 objects"}, nil},
		},
		{
			"overwritten by the next one: history tells the end of the first",
			[][]change{
				{slot("Running", sha1st, 10, alice, set(true, "operation", "sync", "prune"))},
				{history(0, sha1st, 11, alice), slot("Running", sha2nd, 20, alice)},
			},
			[][]string{{"13:00:10Z operation Running id -1 prune"}, {"13:00:10Z both Succeeded id 0 prune", "13:00:20Z operation Running id -1"}},
		},
		{
			"a look at history alone takes nothing back",
			[][]change{
				{slot("Succeeded", sha1st, 10, alice), history(0, sha1st, 11, alice)},
				{history(0, sha1st, 11, alice), slot("Failed", sha2nd, 20, alice)},
				{history(0, sha1st, 11, alice), slot("Failed", sha2nd, 20, alice)},
			},
			[][]string{{"13:00:10Z both Succeeded id 0 objects"}, {"13:00:20Z operation Failed id -1 objects"}, nil},
		},
		{
			"overwritten before its end was seen",
			[][]change{{slot("Running", sha1st, 10, alice)}, {slot("Running", sha2nd, 20, alice)}},
			[][]string{{"13:00:10Z operation Running id -1"}, {"13:00:20Z operation Running id -1", "SKIPPED"}},
		},
		{
			"selective, and left-over selection of an earlier operation",
			[][]change{{slot("Succeeded", sha1st, 10, automated, selective)}, {slot("Succeeded", sha1st, 20, alice, other)}},
			[][]string{{"13:00:10Z operation Succeeded id -1 partial objects"}, {"13:00:20Z operation Succeeded id -1 objects"}},
		},
		{
			"left-over selection of a full sync that is in history",
			[][]change{{slot("Succeeded", sha1st, 10, alice, selective), history(0, sha1st, 11, alice)}},
			[][]string{{"13:00:10Z both Succeeded id 0 objects"}},
		},
		{
			"dry run, and manifests pushed by hand",
			[][]change{
				{slot("Succeeded", sha1st, 10, alice, set(true, "operation", "sync", "dryRun"))},
				{slot("Error", sha1st, 20, alice, set([]string{"kind: Secret"}, "operation", "sync", "manifests"))},
			},
			[][]string{{"13:00:10Z operation Succeeded id -1 dry-run objects"}, {"13:00:20Z operation Error id -1 local objects"}},
		},
		{
			"two within one second, from history",
			[][]change{{history(0, sha1st, 11, alice), history(1, sha2nd, 11, by("ci"))}},
			[][]string{{"13:00:10Z history Succeeded id 0", "13:00:10Z~2 history Succeeded id 1"}},
		},
		{
			"two within one second, from the slot, then from history",
			[][]change{
				{slot("Succeeded", sha1st, 10, alice), history(0, sha1st, 11, alice)},
				{slot("Running", sha2nd, 10, alice), history(0, sha1st, 11, alice)},
				{slot("Failed", sha2nd, 30, alice), history(0, sha1st, 11, alice), history(1, sha2nd, 11, alice)},
			},
			[][]string{{"13:00:10Z both Succeeded id 0 objects"}, {"13:00:10Z~2 operation Running id -1"},
				{"13:00:10Z~2 both Succeeded id 1", "13:00:30Z operation Failed id -1 objects"}},
		},
		{
			"no start in an old entry",
			[][]change{{history(3, sha1st, 11, obj{}), func(a obj) { delete(part(a, "status")["history"].([]obj)[0], "deployStartedAt") }}},
			[][]string{{"h/3 history Succeeded id 3"}},
		},
		{
			"ids jump",
			[][]change{{history(40, sha1st, 11, alice), history(41, sha1st, 12, alice)}, {history(53, sha2nd, 60, alice), history(54, sha2nd, 62, alice)}},
			[][]string{{"13:00:10Z history Succeeded id 40", "13:00:11Z history Succeeded id 41"},
				{"13:00:59Z history Succeeded id 53", "13:01:01Z history Succeeded id 54", "LOST 11 entries of the history are lost: id 41 is followed by 53"}},
		},
		{
			"ids start again",
			[][]change{{history(7, sha1st, 11, alice)}, {history(0, sha2nd, 60, alice)}},
			[][]string{{"13:00:10Z history Succeeded id 7"}, {"13:00:59Z history Succeeded id 0", "LOST history ids start again: 7 is followed by 0 to 0"}},
		},
		{
			"a trimmed and an emptied list lose nothing",
			[][]change{{history(0, sha1st, 11, alice), history(1, sha2nd, 21, alice)}, {history(1, sha2nd, 21, alice)}, {}, {history(0, sha2nd, 61, alice)}},
			[][]string{{"13:00:10Z history Succeeded id 0", "13:00:20Z history Succeeded id 1"}, nil, nil, {"13:01:00Z history Succeeded id 0"}},
		},
		{
			"moving the application re-writes no old operation",
			[][]change{{slot("Succeeded", sha1st, 10, alice), history(0, sha1st, 11, alice)},
				{set("elsewhere", "spec", "destination", "namespace"), slot("Succeeded", sha1st, 10, alice), history(0, sha1st, 11, alice)}},
			[][]string{{"13:00:10Z both Succeeded id 0 objects"}, nil},
		},
		{
			"no revisionHistoryLimit: the slot alone",
			[][]change{{set(0, "spec", "revisionHistoryLimit"), slot("Succeeded", sha1st, 10, automated)}, {set(0, "spec", "revisionHistoryLimit"), slot("Succeeded", sha2nd, 40, automated)}},
			[][]string{{"13:00:10Z operation Succeeded id -1 objects"}, {"13:00:40Z operation Succeeded id -1 objects"}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &memory{Hist: -1}
			for i, l := range c.looks {
				mv := m.operations(decoded(t, application("tenant-7-web", l...)), false, false)
				m.Seen = t0.Add(time.Duration(i+1) * time.Minute)
				if d := cmp.Diff(c.want[i], told(mv)); d != "" {
					t.Errorf("look %d (-want +got):\n%s", i, d)
				}
			}
		})
	}
}

// An older copy of an application may add operations, never take one back.
func TestOperationsOlder(t *testing.T) {
	m := &memory{Hist: -1}
	m.operations(decoded(t, application("tenant-7-web", slot("Succeeded", sha1st, 10, automated), history(0, sha1st, 11, automated))), false, false)
	m.Seen = t0
	slotKey := m.Slot
	mv := m.operations(decoded(t, application("tenant-7-web", slot("Failed", sha2nd, 5, automated))), false, true)
	if d := cmp.Diff([]string{"13:00:05Z operation Failed id -1 objects"}, told(mv)); d != "" {
		t.Errorf("an older failed operation (-want +got):\n%s", d)
	}
	mv = m.operations(decoded(t, application("tenant-7-web", slot("Running", sha1st, 10, automated))), false, true)
	if d := cmp.Diff([]string(nil), told(mv)); d != "" || m.Slot != slotKey || m.Hist != 0 {
		t.Errorf("an older sight moved the memory: slot %s, history %d, told %s", m.Slot, m.Hist, d)
	}
}

// However long an application lives, its memory stays small, and old entries
// that are still listed are not told again.
func TestOperationsBounded(t *testing.T) {
	m := &memory{Hist: -1}
	var all []change
	for i := range 60 {
		all = append(all, history(i, sha1st, 10*i, automated))
		mv := m.operations(decoded(t, application("tenant-7-web", all...)), false, false)
		m.Seen = t0
		if len(mv.sights) != 1 || mv.lost != "" {
			t.Fatalf("entry %d: %q", i, told(mv))
		}
	}
	if len(m.Ops) > maxOps {
		t.Errorf("%d operations remembered, at most %d", len(m.Ops), maxOps)
	}
}
