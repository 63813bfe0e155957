// Command bench measures the log on this machine: every figure beside the
// limit that the machine itself sets, taken in the same run, so that the ratio
// means something elsewhere too.
//
//	go run ./testdata/bench                     a million records, minutes
//	go run ./testdata/bench -records 10000000   ten million, needs 30 GB
//	go run ./testdata/bench -only verify
//
// docs/benchmarks.md says what each row means.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// figure is one row.
type figure struct {
	Name     string  `json:"name"`
	Measured float64 `json:"measured"`
	Unit     string  `json:"unit"`
	Against  string  `json:"against,omitempty"` // what the limit is
	Limit    float64 `json:"limit,omitempty"`   // in the same unit
	Ratio    float64 `json:"ratio,omitempty"`
	Want     string  `json:"want,omitempty"`
	Reached  *bool   `json:"reached,omitempty"`
}

// bench is one run.
type bench struct {
	dir     string
	records int
	rounds  int
	figures []figure
	entry   int // bytes of a stored record, leaf and ciphertexts
}

// add notes a figure and prints it as it comes.
func (b *bench) add(f figure, reached ...bool) {
	if len(reached) > 0 {
		f.Reached = &reached[0]
	}
	b.figures = append(b.figures, f)
	fmt.Fprintln(os.Stderr, "  "+f.line())
}

func (f figure) line() string {
	s := fmt.Sprintf("%-58s %s", f.Name, number(f.Measured, f.Unit))
	if f.Ratio > 0 {
		s += fmt.Sprintf("  %.2f of %s (%s)", f.Ratio, f.Against, number(f.Limit, f.Unit))
	}
	if f.Want != "" {
		s += "  wanted " + f.Want
	}
	if f.Reached != nil {
		s += map[bool]string{true: "  reached", false: "  NOT reached"}[*f.Reached]
	}
	return s
}

// number writes a value with as many digits as it deserves.
func number(v float64, unit string) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2fM %s", v/1e6, unit)
	case v >= 1e4:
		return fmt.Sprintf("%.0fk %s", v/1e3, unit)
	case v >= 1e3:
		return fmt.Sprintf("%.1fk %s", v/1e3, unit)
	case v >= 10:
		return fmt.Sprintf("%.0f %s", v, unit)
	}
	return fmt.Sprintf("%.3g %s", v, unit)
}

func median(vs []float64) float64 {
	s := slices.Sorted(slices.Values(vs))
	return s[len(s)/2]
}

// section is a part of the run that can be asked for alone.
type section struct {
	name string
	run  func(*bench) error
}

var sections = []section{
	{"pieces", pieces},
	{"ingest", ingest},
	{"callers", callers},
	{"spread", spread},
	{"million", million}, // makes the log that verify and state read
	{"verify", verify},
	{"state", state},
	{"tenants", tenants},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	b := &bench{}
	var only, dir, cpu string
	var asJSON, markdown bool
	flag.IntVar(&b.records, "records", 1_000_000, "records of the large log")
	flag.IntVar(&b.rounds, "rounds", 5, "rounds of which the median counts")
	flag.StringVar(&only, "only", "", "run the sections that match")
	flag.StringVar(&dir, "dir", "", "make the logs in a new folder below this one (default: the system's)")
	flag.StringVar(&cpu, "cpuprofile", "", "write a CPU profile of the sections")
	flag.BoolVar(&asJSON, "json", false, "print JSON")
	flag.BoolVar(&markdown, "markdown", false, "print a table for docs/benchmarks.md")
	flag.Parse()
	if len(flag.Args()) == 2 && flag.Arg(0) == "child" {
		return child(flag.Arg(1))
	}
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp(dir, "evidenced-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := b.roomOnDisk(); err != nil {
		return err
	}
	if cpu != "" {
		f, err := os.Create(cpu)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	begun := time.Now()
	fmt.Fprintln(os.Stderr, machine(b.dir))
	for _, s := range sections {
		if !match.MatchString(s.name) {
			continue
		}
		fmt.Fprintln(os.Stderr, s.name)
		if err := s.run(b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	switch {
	case asJSON:
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{"machine": machine(b.dir), "figures": b.figures})
	case markdown:
		b.markdown(begun)
	default:
		for _, f := range b.figures {
			fmt.Println(f.line())
		}
	}
	return nil
}

// roomOnDisk refuses to begin what would fill the disk.
func (b *bench) roomOnDisk() error {
	var st unix.Statfs_t
	if err := unix.Statfs(b.dir, &st); err != nil {
		return err
	}
	need, free := int64(b.records)*3500+(2<<30), int64(st.Bavail)*st.Bsize
	if free < need {
		return fmt.Errorf("%d records need %d GB on the disk of %s, %d are free", b.records, need>>30, b.dir, free>>30)
	}
	return nil
}

// machine describes where the figures were taken.
func machine(dir string) string {
	cpu := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
				cpu = strings.TrimSpace(v)
				break
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	var st unix.Statfs_t
	fs := "unknown file system"
	if unix.Statfs(dir, &st) == nil {
		fs = cmp.Or(map[int64]string{0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x01021994: "tmpfs"}[int64(st.Type)], fmt.Sprintf("file system %#x", st.Type))
	}
	return fmt.Sprintf("%s, %d cores, Linux %s, %s, %s", cpu, runtime.GOMAXPROCS(0), strings.TrimSpace(string(kernel)), fs, runtime.Version())
}

func (b *bench) markdown(begun time.Time) {
	fmt.Printf("Measured on %s: %s. One run of %s, medians of %d rounds.\n\n", begun.UTC().Format("2006-01-02"), machine(b.dir), time.Since(begun).Round(time.Second), b.rounds)
	fmt.Println("| figure | measured | limit of the same run | ratio | wanted |\n|---|---|---|---|---|")
	for _, f := range b.figures {
		limit, ratio, want := "", "", f.Want
		if f.Ratio > 0 {
			limit, ratio = f.Against+": "+number(f.Limit, f.Unit), fmt.Sprintf("%.2f", f.Ratio)
		}
		if f.Reached != nil && !*f.Reached {
			want += " (**not reached**)"
		}
		fmt.Printf("| %s | %s | %s | %s | %s |\n", f.Name, number(f.Measured, f.Unit), limit, ratio, want)
	}
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

var errNoLog = errors.New("the section million makes the log: run it too")
