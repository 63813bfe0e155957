package mappings

import (
	"testing"

	"evidenced/evidence"
)

// A backup is whole when it completed with everything it set out to keep, and
// names nothing that says otherwise.
func TestWholeBackup(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*evidence.BackupFacts)
		want   bool
	}{
		"completed":                   {func(*evidence.BackupFacts) {}, true},
		"no volumes and no hooks":     {func(f *evidence.BackupFacts) { f.Snapshots, f.Hooks = nil, nil }, true},
		"errors":                      {func(f *evidence.BackupFacts) { f.Errors = 1 }, false},
		"a volume missing":            {func(f *evidence.BackupFacts) { f.Snapshots.Completed = 1 }, false},
		"a hook failed":               {func(f *evidence.BackupFacts) { f.Hooks.Failed = 1 }, false},
		"under way":                   {func(f *evidence.BackupFacts) { f.Terminal, f.Phase = false, "Finalizing" }, false},
		"partly failed":               {func(f *evidence.BackupFacts) { f.Phase = "PartiallyFailed" }, false},
		"marked as failed on the way": {func(f *evidence.BackupFacts) { f.Failure = "found running when the server started" }, false},
	} {
		f := &evidence.BackupFacts{
			Terminal: true, Phase: "Completed", Snapshots: &evidence.Tries{Attempted: 2, Completed: 2}, Hooks: &evidence.Tries{Attempted: 1, Completed: 1},
		}
		tc.change(f)
		if got := wholeBackup(f); got != tc.want {
			t.Errorf("%s: whole %v, want %v", name, got, tc.want)
		}
	}
}
