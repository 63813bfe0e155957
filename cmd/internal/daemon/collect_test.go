package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/cmd/internal/config"
	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// pollFunc is a source that is only looked at.
type pollFunc func(ctx context.Context, sk collectors.Sink) error

func (pollFunc) Kinds() []evidence.Kind { return []evidence.Kind{evidence.ChangeMerge} }

func (f pollFunc) Poll(ctx context.Context, _ evidence.Period, _ []byte, sk collectors.Sink) error {
	return f(ctx, sk)
}

// engineOf opens an engine with a source for each name, which does what its
// function does. A name that ends in a star is paused.
func engineOf(t *testing.T, names []string, do map[string]pollFunc, waits func([]evidence.SourceID)) *Engine {
	t.Helper()
	text := "data_dir: data\nlisten: \"\"\ntenants:\n  - name: tenant-1\n    owns:\n      - projects: [acme/one]\nsources:\n"
	var specs []collectors.Spec
	for _, name := range names {
		name, paused := strings.CutSuffix(name, "*")
		text += fmt.Sprintf("  - {name: %s/prod, type: %s%s}\n", name, name, map[bool]string{true: ", paused: moved"}[paused])
		specs = append(specs, collectors.Spec{Type: name, Says: "a test", Config: func() any { return &struct{}{} }, Every: "@every 1m",
			New: func(any, collectors.Env) (collectors.Collector, error) { return do[name], nil }})
	}
	file := filepath.Join(t.TempDir(), "evidenced.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, specs)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(t.Context(), Options{Config: cfg, Clock: func() time.Time { return begin }, Program: "evidenced test", Waits: waits})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// outcomes are how runs ended, and how the log of the platform says they did.
func outcomes(t *testing.T, e *Engine, runs []evidence.RunFacts) (told string, recorded map[evidence.SourceID]evidence.RunFacts) {
	t.Helper()
	for _, f := range runs {
		told += fmt.Sprintf("%s %s\n", f.Source, f.Outcome)
	}
	r, err := e.Reader(t.Context(), evidence.Platform)
	if err != nil {
		t.Fatal(err)
	}
	recorded = map[evidence.SourceID]evidence.RunFacts{}
	for rec, err := range r.Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.CollectionRun}}) {
		if err != nil {
			t.Fatal(err)
		}
		var f evidence.RunFacts
		if err := json.Unmarshal(rec.Facts, &f); err != nil {
			t.Fatal(err)
		}
		recorded[f.Source] = f
	}
	for _, f := range runs {
		if got := recorded[f.Source].Outcome; got != f.Outcome {
			t.Errorf("the run of %s is told as %s and recorded as %s", f.Source, f.Outcome, got)
		}
	}
	return told, recorded
}

func finish(ctx context.Context, sk collectors.Sink) error {
	return sk.Commit(ctx, nil, evidence.Observation{At: begin, Total: -1, Seen: []evidence.Seen{{Kinds: []evidence.Kind{evidence.ChangeMerge}, Class: evidence.Instants, From: begin, To: begin}}})
}

// Dead sources are waited for at the same time, and hide no other: the report
// has all of them in the order of the configuration, whichever ended first.
func TestCollectAtOnce(t *testing.T) {
	var meet sync.WaitGroup
	meet.Add(5)
	dead := func(context.Context, collectors.Sink) error {
		meet.Done()
		meet.Wait() // for ever, were they looked at one after another
		return problem.New(problem.Source, "no answer")
	}
	broken := func(context.Context, collectors.Sink) error { panic("off by one") }
	do := map[string]pollFunc{"dead-1": dead, "dead-2": dead, "dead-3": dead, "dead-4": dead, "dead-5": dead, "broken": broken, "good": finish, "away": finish}
	var waits [][]evidence.SourceID
	e := engineOf(t, []string{"dead-1", "broken", "dead-2", "good", "dead-3", "away*", "dead-4", "dead-5"}, do, func(left []evidence.SourceID) { waits = append(waits, left) })
	runs, err := e.Collect(t.Context(), "", false)
	if err != nil {
		t.Fatal(err)
	}
	told, recorded := outcomes(t, e, runs)
	want := "dead-1/prod failed\nbroken/prod failed\ndead-2/prod failed\ngood/prod empty\ndead-3/prod failed\naway/prod missed\ndead-4/prod failed\ndead-5/prod failed\n"
	if told != want {
		t.Errorf("got\n%swant\n%s", told, want)
	}
	if got := recorded["dead-3/prod"].Cause; got != "no answer" {
		t.Errorf("cause %q", got)
	}
	if len(waits) != 9 || len(waits[0]) != 8 || len(waits[8]) != 0 {
		t.Errorf("waited for %v", waits)
	}
	if runs, err := e.Collect(t.Context(), "good/prod", false); err != nil || len(runs) != 1 || runs[0].Source != "good/prod" {
		t.Errorf("one source alone: %+v, %v", runs, err)
	}
	if _, err := e.Collect(t.Context(), "nobody/prod", false); !problem.Is(err, problem.NotFound) {
		t.Errorf("no such source: %v", err)
	}
}

// A stop ends the looks that run, and says of the others that nobody looked.
func TestCollectStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var begun sync.WaitGroup
	begun.Add(collectAtOnce)
	hang := func(ctx context.Context, _ collectors.Sink) error {
		begun.Done()
		<-ctx.Done()
		return ctx.Err()
	}
	var names []string
	do := map[string]pollFunc{}
	for i := range collectAtOnce + 2 {
		name := fmt.Sprintf("hang-%02d", i)
		names, do[name] = append(names, name), hang
	}
	e := engineOf(t, names, do, nil)
	go func() { begun.Wait(); stop() }()
	runs, err := e.Collect(ctx, "", false)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	_, recorded := outcomes(t, e, runs)
	failed, missed := 0, 0
	for _, f := range recorded {
		switch {
		case f.Outcome == evidence.RunFailed && f.Cause == context.Canceled.Error():
			failed++
		case f.Outcome == evidence.RunMissed && f.Cause == "stopped before its turn":
			missed++
		default:
			t.Errorf("recorded %+v", f)
		}
	}
	if len(runs) != collectAtOnce+2 || failed != collectAtOnce || missed != 2 {
		t.Errorf("%d told, %d failed, %d missed", len(runs), failed, missed)
	}
}
