package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"evidenced/evidence"
	"evidenced/store"
	"evidenced/store/local"
)

// The installation with many tenants is measured in processes of its own, so
// that neither their memory nor their caches hold anything of the figures
// before: this program starts itself with the variable set to a part in JSON.
const partEnv = "EVIDENCED_BENCH_PART"

// part is the work of one such process.
type part struct {
	What    string // make or use
	Dir     string
	Tenants int
	Records int // of each busy tenant
}

const (
	perTenant = 20 // records of each tenant before the start
	busy      = 50 // tenants appending at once
)

// used is what the process that uses the installation found.
type used struct {
	Opened    float64   `json:"opened"` // seconds until the installation was open
	Started   float64   `json:"started"`
	Resident  float64   `json:"resident"` // bytes, after every log was opened once
	Most      float64   `json:"most"`     // most resident bytes of the whole process's life
	Finished  []float64 `json:"finished"` // seconds in which each busy tenant got its records in
	Half      []float64 `json:"half"`     // records each had when half of all were in
	PerSecond float64   `json:"per_second"`
}

// tenants measures an installation of many tenants.
func (b *bench) tenants(ctx context.Context) error {
	dir, err := b.sub("tenants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	n, records := b.o.tenants, b.scaled(1000, 10)
	if err := b.start(ctx, part{"make", dir, n, 0}, nil); err != nil {
		return err
	}
	var u used
	if err := b.start(ctx, part{"use", dir, n, records}, &u); err != nil {
		return err
	}
	slices.Sort(u.Finished)
	slices.Sort(u.Half)
	name := func(s string) string { return "tenants/" + s }
	of := thousands(n) + " tenants"
	b.rep.add(
		figure{Name: name("start"), Unit: inSeconds, Measured: u.Started, Note: fmt.Sprintf("%s, every log opened once; %s until the installation is open", of, show(u.Opened, inSeconds))}.atMost(5),
		figure{Name: name("resident"), Unit: inBytes, Measured: u.Resident, Note: of + ", after the start"},
		figure{Name: name("resident-most"), Unit: inBytes, Measured: u.Most, Note: fmt.Sprintf("at any time, with %d appending", busy)}.atMost(1<<30),
		figure{Name: name("busy"), Unit: perSecond, Measured: u.PerSecond, Note: fmt.Sprintf("%d tenants at once, %s records each, one at a time", busy, thousands(records))},
		// Starved is who has next to nothing when the others are half way.
		figure{
			Name: name("least-served"), Unit: asTimes, Measured: u.Half[0] / median(u.Half),
			Note: fmt.Sprintf("records of the least served over the median when half of all were in: %.0f / %.0f / %.0f (least, median, most); finished after %s / %s / %s",
				u.Half[0], median(u.Half), u.Half[len(u.Half)-1],
				show(u.Finished[0], inSeconds), show(median(u.Finished), inSeconds), show(u.Finished[len(u.Finished)-1], inSeconds)),
		}.atLeast(0.5),
	)
	return nil
}

// start runs this program again for one part and decodes what it prints.
func (b *bench) start(ctx context.Context, p part, into any) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), partEnv+"="+string(text))
	cmd.Stderr = b.stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s the tenants: %w", p.What, err)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(out, into)
}

// runPart is the other process.
func runPart(ctx context.Context, text string, stdout, stderr io.Writer) int {
	var p part
	err := json.Unmarshal([]byte(text), &p)
	var ts []evidence.Tenant
	for i := 0; i < p.Tenants && err == nil; i++ {
		var t evidence.Tenant
		t, err = tenant(i + 1)
		ts = append(ts, t)
	}
	switch {
	case err != nil:
	case p.What == "make":
		err = makeTenants(ctx, p.Dir, ts, stderr)
	default:
		var u used
		if u, err = useTenants(ctx, p.Dir, ts, p.Records, stderr); err == nil {
			err = json.NewEncoder(stdout).Encode(u)
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	return exitOK
}

func openQuiet(dir string, stderr io.Writer) (*local.Local, error) {
	return local.Open(local.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
}

func makeTenants(ctx context.Context, dir string, ts []evidence.Tenant, stderr io.Writer) (err error) {
	l, err := openQuiet(dir, stderr)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, l.Close()) }()
	for first := 0; first < len(ts); first += 100 {
		var parts []store.Part
		for i := first; i < min(first+100, len(ts)); i++ {
			parts = append(parts, store.Part{Tenant: ts[i], Items: items(i*perTenant, perTenant)})
		}
		in, err := l.Store.Ingest(ctx, parts)
		if err != nil {
			return err
		}
		for i := range parts {
			if _, err := in.Wait(ctx, i); err != nil {
				return err
			}
		}
	}
	return nil
}

func useTenants(ctx context.Context, dir string, ts []evidence.Tenant, records int, stderr io.Writer) (u used, err error) {
	begun := time.Now()
	l, err := openQuiet(dir, stderr)
	if err != nil {
		return u, err
	}
	defer func() { err = firstError(err, l.Close()) }()
	u.Opened = time.Since(begun).Seconds()
	logs := make([]*store.Log, len(ts))
	for i, t := range ts {
		if logs[i], err = l.Store.Log(t); err != nil {
			return u, err
		}
		if err := logs[i].Stopped(); err != nil {
			return u, err
		}
		if n := logs[i].Size(); n < perTenant {
			return u, fmt.Errorf("log of %s has %d records: the figure would be false", t, n)
		}
	}
	u.Started = time.Since(begun).Seconds()
	u.Resident = kilobytes("VmRSS")
	if err := u.appendAtOnce(ctx, logs[:busy], len(ts)*perTenant, records); err != nil {
		return u, err
	}
	u.Most = kilobytes("VmHWM")
	return u, nil
}

// appendAtOnce has every log get so many records, one at a time, from a caller
// of its own.
func (u *used) appendAtOnce(ctx context.Context, logs []*store.Log, from, records int) error {
	var wg sync.WaitGroup
	var total atomic.Int64
	counts := make([]atomic.Int64, len(logs))
	errs := make([]error, len(logs))
	u.Finished, u.Half = make([]float64, len(logs)), make([]float64, len(logs))
	begun := time.Now()
	for w, log := range logs {
		wg.Go(func() {
			for i := range records {
				if _, errs[w] = appendRate(ctx, log, items(from+w*records+i, 1), 1); errs[w] != nil {
					return
				}
				counts[w].Add(1)
				if total.Add(1) == int64(len(logs)*records/2) {
					for k := range counts { // only one caller gets here
						u.Half[k] = float64(counts[k].Load())
					}
				}
			}
			u.Finished[w] = time.Since(begun).Seconds()
		})
	}
	wg.Wait()
	u.PerSecond = float64(len(logs)*records) / time.Since(begun).Seconds()
	return firstError(errs...)
}
