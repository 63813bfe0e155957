package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"evidenced/cmd/internal/demo"
	"evidenced/collectors"
	"evidenced/evidence/problem"
	"evidenced/reports"
)

// demonstrate returns what runs the demonstration with these types of sources.
func demonstrate(specs func() []collectors.Spec) func(context.Context, demoOptions) error {
	return func(ctx context.Context, o demoOptions) error {
		if o.Dir == "" {
			dir, err := os.MkdirTemp("", "evidenced-demo-")
			if err != nil {
				return problem.Wrap(problem.Storage, err, "make a temporary directory")
			}
			o.Dir = dir
		}
		dir, err := filepath.Abs(o.Dir)
		if err != nil {
			return problem.Wrap(problem.Usage, err, "directory %s", o.Dir)
		}
		ro := demo.RunOptions{
			Dir: dir, Specs: specs(), Program: programName(), Log: slog.New(slog.DiscardHandler),
			Progress: func(_ time.Time, done, total int) { o.Progress.Set(uint64(done), uint64(total)) },
		}
		if o.Stay {
			ro.Stay = func(ctx context.Context, s *demo.Summary) error {
				o.Progress.Done()
				tellDemo(o, s)
				self, _ := callNames()
				fmt.Fprintf(o.Stdout, "\nThe platform stays until you interrupt this. One credential too powerful, one expired:\n  %s doctor -c %s\n", self, quote(s.Doctor))
				<-ctx.Done()
				return nil
			}
		}
		s, err := demo.Run(ctx, ro)
		if err != nil || o.Stay {
			return err
		}
		o.Progress.Done()
		tellDemo(o, s)
		return nil
	}
}

func tellDemo(o demoOptions, s *demo.Summary) {
	self, verify := callNames()
	at := s.Instant.UTC().Format("2006-01-02 15:04")
	fmt.Fprintf(o.Stdout, "%s\n\n", reports.Demonstration)
	fmt.Fprintf(o.Stdout, "Four weeks of a made-up platform with %d tenants passed in %s: %s looks at %d sources, %s records sealed.\n",
		s.Tenants, s.Took.Round(100*time.Millisecond), reports.Number(int64(s.Runs)), s.Sources, reports.Number(int64(s.Records)))
	fmt.Fprintf(o.Stdout, "Everything is in %s\n\n", s.Dir)
	fmt.Fprintf(o.Stdout, "What ran in %s at %s UTC, who authorised it, who read its secrets?\n", s.Tenant, s.Instant.UTC().Format("15:04"))
	fmt.Fprintf(o.Stdout, "  %s ran -c %s --tenant %s --at %q --tz UTC\n\n", self, quote(s.Config), s.Tenant, at)
	fmt.Fprintf(o.Stdout, "From a secret that was read, back to the commit and to who approved it?\n")
	fmt.Fprintf(o.Stdout, "  %s trace \"record %d\" -c %s --tenant %s --at %q --tz UTC --backward\n\n", self, s.Access, quote(s.Config), s.Tenant, at)
	fmt.Fprintf(o.Stdout, "And where a chain breaks: the image of a hotfix that no pipeline built?\n")
	fmt.Fprintf(o.Stdout, "  %s trace %s -c %s --tenant %s --at \"2026-11-09 09:00\" --tz UTC --backward\n\n", self, s.Broken, quote(s.Config), s.Tenant)
	fmt.Fprintf(o.Stdout, "When were we blind, and which laws does the evidence support?\n")
	fmt.Fprintf(o.Stdout, "  %s assess -c %s --tenant %s --from %s --to %s\n\n", self, quote(s.Config), s.Tenant, s.Period.From.Format(time.DateOnly), s.Period.To.Format(time.DateOnly))
	fmt.Fprintf(o.Stdout, "An outage was a major incident for one tenant: what is filed, and what is due when?\n")
	id := s.Incidents[s.Tenant.String()]
	fmt.Fprintf(o.Stdout, "  %s incident show %s -c %s --tenant %s\n", self, id, quote(s.Config), s.Tenant)
	fmt.Fprintf(o.Stdout, "  %s incident export %s -c %s --tenant %s --stage dora.intermediate\n\n", self, id, quote(s.Config), s.Tenant)
	tellPlanted(o.Stdout)
	fmt.Fprintf(o.Stdout, "  %s gaps -c %s\n\n", self, quote(s.Config))
	fmt.Fprintf(o.Stdout, "Check the evidence pack as its auditor would, without us:\n")
	fmt.Fprintf(o.Stdout, "  %s %s --trust %s\n", verify, quote(s.Pack), quote(s.Trust))
}

// tellPlanted lists what is wrong in the made-up world: all that gaps finds.
func tellPlanted(w io.Writer) {
	plants := demo.Planted()
	slices.SortStableFunc(plants, func(a, b demo.Plant) int { return a.Since.Compare(b.Since) })
	fmt.Fprintf(w, "These %d problems were planted. Does it find each of them, and nothing else?\n", len(plants))
	for _, p := range plants {
		since := "before"
		if !p.Since.IsZero() {
			since = p.Since.Format("2 Jan 15:04")
		}
		fmt.Fprintf(w, "  %-12s  %s\n", since, p.Says)
	}
}

// callNames returns how the two programs are called from here: as built, or by
// go run when this process was started by it.
func callNames() (self, verify string) {
	exe, err := os.Executable()
	if err == nil && !strings.Contains(exe, "go-build") && !strings.Contains(exe, string(filepath.Separator)+"exe"+string(filepath.Separator)) {
		beside := filepath.Join(filepath.Dir(exe), "evidence-verify")
		if _, err := os.Stat(beside); err == nil {
			return quote(exe), quote(beside)
		}
	}
	return "go run ./cmd/evidenced", "go run ./cmd/evidence-verify"
}

// quote makes a path safe to paste into a shell.
func quote(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
