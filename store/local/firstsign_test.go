package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"evidenced/evidence/problem"
	"evidenced/store"
)

// asker is a hook that answers from a list, then with nil.
type asker struct {
	answers []error
	asked   []string
}

func (a *asker) ask(_ context.Context, f store.First) error {
	a.asked = append(a.asked, f.Tenant.String())
	if at, err := f.RootAt(f.Size); err != nil || at != f.Root {
		return errors.New("another root than the log's")
	}
	if len(a.answers) == 0 {
		return nil
	}
	err := a.answers[0]
	a.answers = a.answers[1:]
	return err
}

func openAsking(t *testing.T, dir string, a *asker) *Local {
	t.Helper()
	c := &clock{start}
	l, err := Open(Options{Dir: dir, Clock: c.now, Store: func(o *store.Options) { o.BeforeFirstSign = a.ask }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func signedLines(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "sign-state", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var all string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all += string(b)
	}
	return all
}

// Until the hook lets it, nothing is signed and nothing of the sign-state is
// written; records are taken meanwhile.
func TestAskedBeforeTheFirstSignature(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	down := errors.New("nobody answers")
	a := &asker{answers: []error{down, down}}
	loc := openAsking(t, dir, a)
	log, err := loc.Store.Create(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.asked) > 0 {
		t.Fatalf("asked before anything was to be signed: %v", a.asked)
	}
	for i := range 2 {
		_, _, err := log.Checkpoint()
		if !errors.Is(err, store.ErrNotSigned) || !errors.Is(err, down) {
			t.Fatalf("checkpoint %d: got %v, want the hook's answer", i, err)
		}
		if got := signedLines(t, dir); got != "" {
			t.Fatalf("the sign-state became %q", got)
		}
		mustAppend(t, log, event(string(rune('a'+i)), start, map[string]any{"v": 1}))
	}
	for range 3 {
		if _, signed, err := log.Checkpoint(); err != nil || len(signed) == 0 {
			t.Fatalf("got %q, %v", signed, err)
		}
		mustAppend(t, log, event("x", start, map[string]any{"v": len(a.asked)}))
	}
	if len(a.asked) != 3 {
		t.Errorf("asked %d times, want 3: once until it was let", len(a.asked))
	}
}

// After a refusal the log signs nothing, but takes records; others are signed.
func TestRefusedBeforeTheFirstSignature(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	a := &asker{answers: []error{problem.New(problem.Refused, "an anchor knows more")}}
	loc := openAsking(t, dir, a)
	one, err := loc.Store.Create(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	two, err := loc.Store.Create(tenant(t, "tenant-2"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, _, err := one.Checkpoint(); !errors.Is(err, store.ErrNotSigned) || !problem.Is(err, problem.Refused) {
			t.Fatalf("got %v, want the refusal", err)
		}
	}
	if len(a.asked) != 1 {
		t.Errorf("asked %d times, want once: a refusal stays", len(a.asked))
	}
	if got := signedLines(t, dir); got != "" {
		t.Errorf("the sign-state became %q", got)
	}
	mustAppend(t, one, event("a", start, map[string]any{"v": 1}))
	if one.Stopped() != nil || one.SigningRefused() == nil {
		t.Errorf("stopped %v, signing refused %v", one.Stopped(), one.SigningRefused())
	}
	if _, _, err := two.Checkpoint(); err != nil {
		t.Errorf("another log: %v", err)
	}
	if one.CheckpointDue(start.AddDate(1, 0, 0)) {
		t.Error("a checkpoint of the refused log is due")
	}
	size := one.Size()
	if err := loc.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	// Without the hook's objection the records are all there and are signed.
	again, err := openAsking(t, dir, &asker{}).Store.Log(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := again.Checkpoint()
	if err != nil || c.Size != size {
		t.Errorf("after opening again: %d, %v; want %d", c.Size, err, size)
	}
}

// A log that was let sign can be refused later: an anchor was shown it.
func TestRefusedLater(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	loc := openAsking(t, dir, &asker{})
	log, err := loc.Store.Create(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	first, signed, err := log.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	log.RefuseToSign(errors.New("first reason"))
	log.RefuseToSign(errors.New("second reason"))
	mustAppend(t, log, event("a", start, map[string]any{"v": 1}))
	if _, _, err := log.Checkpoint(); !errors.Is(err, store.ErrNotSigned) || err.Error() != "the log is not signed: first reason" {
		t.Errorf("got %v", err)
	}
	if c, stored, err := log.NoteAt(log.Size()); err != nil || c != first || string(stored) != string(signed) {
		t.Errorf("the newest checkpoint became %+v, %v", c, err)
	}
}
