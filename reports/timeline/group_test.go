package timeline

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
	"evidenced/reports"
)

var noon = time.Date(2026, 11, 14, 12, 0, 0, 0, time.UTC)

func seq(lines []Line, err error) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		for _, l := range lines {
			if !yield(l, nil) {
				return
			}
		}
		if err != nil {
			yield(Line{}, err)
		}
	}
}

// like makes a line n seconds after noon.
func like(n int, kind evidence.Kind, says string, who ...string) Line {
	l := Line{At: noon.Add(time.Duration(n) * time.Second), Seq: uint64(n), Kind: kind, Op: evidence.OpEvent, Source: "vault/prod", Says: says}
	for _, w := range who {
		l.Who = append(l.Who, reports.Person{Label: w})
	}
	return l
}

func TestGroup(t *testing.T) {
	read := func(n int, who string) Line {
		return like(n, evidence.SecretAccess, fmt.Sprintf("%s: read of kv/t7/db%d", who, n), who)
	}
	blind := Line{At: noon.Add(15 * time.Second), Until: noon.Add(time.Minute), Gap: true, Kind: evidence.CollectionCoverage, Says: "nothing seen"}
	closed := read(12, "web")
	closed.Closed = "erased"
	for name, c := range map[string]struct {
		in   []Line
		want []string
	}{
		"three are one":        {[]Line{read(1, "web"), read(2, "web"), read(3, "web")}, []string{"1: 3 times until 12:00:03 [1 2 3]"}},
		"two are two":          {[]Line{read(1, "web"), read(2, "web")}, []string{"1", "2"}},
		"others are others":    {[]Line{read(1, "web"), read(2, "job"), read(3, "web"), read(4, "job")}, []string{"1", "2", "3", "4"}},
		"two at a time":        {[]Line{read(1, "web"), read(2, "job"), read(3, "web"), read(4, "job"), read(5, "web"), read(6, "job")}, []string{"1: 3 times until 12:00:05 [1 3 5]", "2: 3 times until 12:00:06 [2 4 6]"}},
		"a pause ends it":      {[]Line{read(1, "web"), read(2, "web"), read(3, "web"), read(604, "web"), read(605, "web")}, []string{"1: 3 times until 12:00:03 [1 2 3]", "604", "605"}},
		"a chain goes on":      {[]Line{read(1, "web"), read(600, "web"), read(1200, "web"), read(1800, "web")}, []string{"1: 4 times until 12:30:00 [1 600 1200 1800]"}},
		"robots of one look":   {[]Line{like(1, evidence.RegistryRobot, "registry robot robot$t7+ci holds 1 grant"), like(1, evidence.RegistryRobot, "registry robot robot$t8+ci holds 1 grant"), like(1, evidence.RegistryRobot, "registry robot robot$t9+ci holds 1 grant")}, []string{"1: 3 times until 12:00:01 [1 1 1]"}},
		"verdicts stand alone": {[]Line{like(1, evidence.FindingState, "a"), like(2, evidence.FindingState, "a"), like(3, evidence.FindingState, "a")}, []string{"1", "2", "3"}},
		"blindness in between": {[]Line{read(1, "web"), blind, read(20, "web"), read(21, "web")}, []string{"1: 3 times until 12:00:21 [1 20 21]", "blind"}},
		"closed ones alone":    {[]Line{read(10, "web"), read(11, "web"), closed, read(13, "web")}, []string{"10: 3 times until 12:00:13 [10 11 13]", "12"}},
		"another outcome":      {[]Line{read(1, "web"), like(2, evidence.SecretAccess, "web: read of kv/t7/db1, denied", "web"), read(3, "web"), read(4, "web")}, []string{"1: 3 times until 12:00:04 [1 3 4]", "2"}},
		"words tell apart":     {[]Line{like(1, evidence.SecretAccess, "web: read of kv/a"), like(2, evidence.SecretAccess, "web: read of kv/b"), like(3, evidence.SecretAccess, "web: read of kv/c")}, []string{"1", "2", "3"}},
		"nothing":              {nil, nil},
	} {
		var got []string
		for l, err := range Group(seq(c.in, nil)) {
			if err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprint(l.Seq)
			if l.Gap {
				text = "blind"
			}
			if n := l.several(); n != "" {
				text += fmt.Sprintf(": %s %v", n, l.Records)
			}
			got = append(got, text)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Whatever is grouped, every record is counted once and the lines stay in order.
func TestGroupCountsEveryRecord(t *testing.T) {
	var in []Line
	for i := range 50_000 {
		l := like(i*7%3+i, evidence.SecretAccess, fmt.Sprintf("%c: read of kv/%d", 'a'+i*i%11, i))
		l.Seq = uint64(i)
		l.At = noon.Add(time.Duration(i*i%97+i*40) * time.Millisecond)
		in = append(in, l)
	}
	n, last := 0, time.Time{}
	for l, err := range Group(seq(in, nil)) {
		if err != nil {
			t.Fatal(err)
		}
		n += max(1, l.Count)
		if l.At.Before(last.Add(-100 * time.Millisecond)) { // as far out of order as they came
			t.Fatalf("record %d at %s comes after %s", l.Seq, l.At, last)
		}
		last = l.At
	}
	if n != len(in) {
		t.Errorf("%d records, want %d", n, len(in))
	}
}

func TestGroupEndsWithTheError(t *testing.T) {
	broken := errors.New("broken")
	n := 0
	var got error
	for _, err := range Group(seq([]Line{like(1, evidence.SecretAccess, "a"), like(2, evidence.SecretAccess, "a")}, broken)) {
		if n++; err != nil {
			got = err
		}
	}
	if n != 3 || !errors.Is(got, broken) {
		t.Errorf("got %d lines and error %v, want both lines and then the error", n, got)
	}
}

func BenchmarkGroup(b *testing.B) {
	var in []Line
	for i := range 10_000 {
		in = append(in, like(i/10, evidence.SecretAccess, fmt.Sprintf("account-%c: read of kv/tenant/%d", 'a'+i%26, i)))
	}
	b.ReportAllocs()
	for b.Loop() {
		for range Group(seq(in, nil)) {
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(in)), "ns/line")
}

// What is told one by one is every kind but the restless and the bookkeeping.
func TestTelling(t *testing.T) {
	kinds := Telling()
	for _, k := range []evidence.Kind{evidence.ChangeMerge, evidence.DeploySync, evidence.FindingState, evidence.IncidentDeclared, evidence.BackupRun} {
		if !slices.Contains(kinds, k) {
			t.Errorf("%s is not told", k)
		}
	}
	for _, k := range append(slices.Clone(restless), bookkeeping...) {
		if slices.Contains(kinds, k) {
			t.Errorf("%s is told one by one", k)
		}
	}
}
