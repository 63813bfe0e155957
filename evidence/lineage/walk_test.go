package lineage_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/lineage"
	"evidenced/evidence/lineage/lineagetest"
)

// print writes a trace for people who compare.
func print(t *lineage.Trace) string {
	var b strings.Builder
	for _, n := range t.Nodes {
		mark := ""
		for _, m := range []struct {
			on bool
			s  string
		}{{n.Start, " start"}, {n.Forward, " forward"}, {n.Back, " backward"}, {n.Beside, " beside"}} {
			if m.on {
				mark += m.s
			}
		}
		fmt.Fprintf(&b, "%-19s %s %v%s%s\n", n.Stage, n.ID, n.Records, mark, when(n.Spans))
	}
	for _, l := range t.Links {
		mark := ""
		if l.Beside {
			mark = " beside"
		}
		fmt.Fprintf(&b, "%s\n  %s (%s)%s%s\n    %s\n", l.From, l.Step, l.Proof, mark, when(l.Spans), l.To)
		for _, c := range l.Because {
			fmt.Fprintf(&b, "      record %d %s %s\n", c.Seq, c.Kind, c.Field)
		}
	}
	for _, m := range t.Missing {
		fmt.Fprintf(&b, "MISSING %s: %s: %s: %s\n", m.Node, m.What, m.Why, m.Says)
		for _, id := range m.Among {
			fmt.Fprintf(&b, "  among %s\n", id)
		}
	}
	for _, l := range t.Limits {
		fmt.Fprintf(&b, "LIMIT %s\n", l)
	}
	return b.String()
}

func when(spans []lineage.Span) string {
	s := ""
	for _, p := range spans {
		s += fmt.Sprintf(" [%s..%s)", p.From.Format("15:04"), p.To.Format("15:04"))
	}
	return s
}

func walk(t testing.TB, l evidence.Reader, start evidence.Ref, opt lineage.Options) *lineage.Trace {
	t.Helper()
	tr, err := lineage.Walk(t.Context(), l, start, opt)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// TestWholeChains compares traces of the whole story with what is expected of
// them, links and records included.
func TestWholeChains(t *testing.T) {
	for _, tt := range []struct {
		name  string
		start evidence.Ref
		opt   lineage.Options
	}{
		{"commit-forward", commit(head), lineage.Options{Direction: lineage.Forward, At: at(13, 0)}},
		{"access-backward", requestRef("read-operator"), lineage.Options{Direction: lineage.Backward}},
		{"pod-both", pod.WithUID(""), lineage.Options{At: at(13, 0)}},
		{"old-commit-forward", commit(old), lineage.Options{Direction: lineage.Forward}},
		{"certificate-both", cert, lineage.Options{At: at(13, 0)}},
		{"host-backward", hostEdge, lineage.Options{Direction: lineage.Backward}},
		{"namespace-forward", namespace, lineage.Options{Direction: lineage.Forward, At: at(13, 0)}},
		{"backup-both", backup.WithUID(""), lineage.Options{}},
		{"artifact-window", newRef("artifact", "main", "acme/web@"+child), lineage.Options{Window: evidence.Period{From: at(13, 0), To: at(14, 0)}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := lineagetest.Tell()
			evidencetest.Golden(t, tt.name+".txt", []byte(print(walk(t, l, tt.start, tt.opt))))
		})
	}
}

func ids(t *lineage.Trace, pick func(lineage.Node) bool) []string {
	var out []string
	for _, n := range t.Nodes {
		if pick(n) {
			out = append(out, n.ID)
		}
	}
	slices.Sort(out)
	return out
}

// TestTimeKeepsChainsApart: what an application ran before does not lead to
// what it runs now.
func TestTimeKeepsChainsApart(t *testing.T) {
	l := lineagetest.Tell()
	tr := walk(t, l, commit(old), lineage.Options{Direction: lineage.Forward})
	if _, ok := tr.Node(pod.String()); ok {
		t.Errorf("the old commit leads to the new pod:\n%s", print(tr))
	}
	if _, ok := tr.Node(oldPod.String()); !ok {
		t.Errorf("the old commit does not lead to the old pod:\n%s", print(tr))
	}
	if _, ok := tr.Node(requestRef("read-pod").String()); ok {
		t.Error("the old commit leads to a read after it was replaced")
	}
	if _, ok := tr.Node(requestRef("read-old").String()); !ok {
		t.Error("the old commit does not lead to the read while it ran")
	}
	now := walk(t, l, commit(old), lineage.Options{Direction: lineage.Forward, At: at(13, 0)})
	if got := ids(now, func(n lineage.Node) bool { return n.Forward }); len(got) != 0 {
		t.Errorf("at 13:00 the old commit leads to %v", got)
	}
	// A read leads back to what ran when it happened.
	back := walk(t, l, requestRef("read-old"), lineage.Options{Direction: lineage.Backward})
	if _, ok := back.Node(commit(main).String()); ok {
		t.Errorf("a read at 9:00 leads back to a commit deployed at 12:58:\n%s", print(back))
	}
	if _, ok := back.Node(commit(old).String()); !ok {
		t.Errorf("a read at 9:00 does not lead back to the commit of then:\n%s", print(back))
	}
}
