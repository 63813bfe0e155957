package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"

	"evidenced/evidence"
	"evidenced/reports/pack"
)

// ownSample are the flags of a sample that the auditor asks for.
type ownSample struct {
	of, nonce, items      string
	size                  int
	confidence, tolerable float64
}

func (s *ownSample) flags(fs *flag.FlagSet) {
	fs.StringVar(&s.of, "sample", "", "")
	fs.StringVar(&s.nonce, "nonce", "", "")
	fs.StringVar(&s.items, "items", "", "")
	fs.IntVar(&s.size, "size", 0, "")
	fs.Float64Var(&s.confidence, "confidence", pack.SampleConfidence, "")
	fs.Float64Var(&s.tolerable, "tolerable", pack.SampleTolerable, "")
}

// request reads the flags; nil when no sample is asked for.
func (s *ownSample) request() (*pack.SampleRequest, error) {
	if s.of == "" {
		if s.nonce+s.items != "" || s.size != 0 {
			return nil, errors.New("--nonce, --items and --size belong to --sample CONTROL/TEST")
		}
		return nil, nil
	}
	control, test, ok := strings.Cut(s.of, "/")
	switch {
	case !ok || control == "" || test == "":
		return nil, fmt.Errorf("--sample %s: want CONTROL/TEST, as findings.json names them", s.of)
	case (s.nonce == "") == (s.items == ""):
		return nil, errors.New("--sample needs --nonce TEXT, or --items with records")
	case s.size < 0:
		return nil, errors.New("--size is below zero")
	}
	q := &pack.SampleRequest{Control: evidence.ControlID(control), Test: test, Nonce: s.nonce, Size: s.size, Confidence: s.confidence, Tolerable: s.tolerable}
	for _, f := range strings.FieldsFunc(s.items, func(r rune) bool { return r == ',' || r == ' ' }) {
		seq, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("--items: %q is no record number", f)
		}
		q.Seqs = append(q.Seqs, seq)
	}
	return q, nil
}

// printSample lists the items for people to look at.
func printSample(w io.Writer, s *pack.DrawnSample) {
	put := func(format string, args ...any) { fmt.Fprintf(w, "%s\n", printable(fmt.Sprintf(format, args...))) }
	put("")
	put("sample    %s of %s items of %s/%s; %s", group(uint64(len(s.Items))), group(uint64(s.Population.Count)), s.Control, s.Test, s.Says)
	put("          population %s where %s, hash %s", s.Population.View, s.Population.Query, s.Population.Hash)
	if s.Seed != nil {
		put("          seed %s", s.Seed.Value)
	}
	if s.Confidence > 0 {
		put("          with no exception among them, at most %g %% of the population are exceptions, with %g %% confidence", s.Tolerable, s.Confidence)
	}
	for _, it := range s.Drawn {
		why := ""
		if it.Why != "" {
			why = ": " + it.Why
		}
		put("  %-12s record %s  %s  %s%s", it.Verdict, group(it.Seq), evidence.FormatTime(it.At), it.Label, why)
	}
}
