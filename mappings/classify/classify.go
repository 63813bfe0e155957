// Package classify says whether an incident must be notified: DORA's major
// incidents (Delegated Regulation (EU) 2024/1772), NIS-2's significant ones
// (Directive (EU) 2022/2555 Art 23(3) and Implementing Regulation (EU)
// 2024/2690), severe ones and exploited vulnerabilities of the Cyber
// Resilience Act. For the GDPR it shows what a person has to weigh.
//
// Each procedure shows its working: every question with its rule, its answer
// and why. An input that is not known is never guessed: the answer is unknown,
// and the whole is undecided while an unknown answer could turn it, with the
// missing inputs named by their field. All comparisons are strict unless the
// rule says otherwise. A person decides; the procedure stands beside.
package classify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/incident"
)

// Version names the procedures and the state of law they follow. It changes
// with either.
const Version = "procedures 2, law of 2026-11-20"

// The outcomes of procedures, and what a person may decide.
const (
	Undecided = "undecided"

	Major    = "major"
	NotMajor = "not-major"

	Significant    = "significant"
	NotSignificant = "not-significant"

	NoBreach     = "no-breach"
	RiskUnlikely = "risk-unlikely"
	Risk         = "risk"
	HighRisk     = "high-risk"

	Exploited = "exploited-vulnerability"
	Severe    = "severe-incident"
	NotSevere = "not-severe"
)

// Decisions are what a person may decide, by law.
var Decisions = map[string][]string{
	"dora": {Major, NotMajor},
	"nis2": {Significant, NotSignificant},
	"gdpr": {NoBreach, RiskUnlikely, Risk, HighRisk},
	"cra":  {Exploited, Severe, NotSevere},
}

// Result is the working of a procedure.
type Result struct {
	Outcome string
	Steps   []evidence.IncidentStep
	Missing []string // fields that could turn an undecided outcome
}

// Answer is yes, no or unknown.
type Answer string

// The answers.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Unknown Answer = "unknown"
)

// Run runs the procedure of the law. Others are incidents of the same apparent
// root cause, looked at together with f.
func Run(law string, f *incident.Fields, others []*incident.Fields) (Result, error) {
	switch law {
	case "dora":
		return dora(f, others), nil
	case "nis2":
		return nis2(f, others), nil
	case "gdpr":
		return gdpr(f), nil
	case "cra":
		return cra(f), nil
	}
	return Result{}, fmt.Errorf("no procedure for %.20q: want dora, nis2, gdpr or cra", law)
}

// part is one condition: its answer, why, and the fields that it lacks.
type part struct {
	answer Answer
	why    string
	lacks  []string
}

func yes(why string, args ...any) part { return part{answer: Yes, why: fmt.Sprintf(why, args...)} }
func no(why string, args ...any) part  { return part{answer: No, why: fmt.Sprintf(why, args...)} }
func unknown(fields ...string) part {
	return part{Unknown, "not known: " + strings.Join(fields, ", "), fields}
}

// flag is a yes or no that somebody set.
func flag(b *bool, field, what string) part {
	switch {
	case b == nil:
		return unknown(field)
	case *b:
		return yes("%s", what)
	}
	return no("not: %s", what)
}

// above compares strictly.
func above[T int64 | float64](n *T, bar T, field, unit string) part {
	switch {
	case n == nil:
		return unknown(field)
	case *n > bar:
		return yes("%s %v%s is more than %v%s", field, *n, unit, bar, unit)
	}
	return no("%s %v%s is not more than %v%s", field, *n, unit, bar, unit)
}

// either is yes when one is, no when all are.
func either(parts ...part) part { return settle(Yes, no, parts) }

// all is no when one is, yes when all are.
func all(parts ...part) part { return settle(No, yes, parts) }

// settle returns the first part whose answer settles the whole. Without one the
// whole is not known while a part is not, and else what all the others say.
func settle(by Answer, otherwise func(why string, args ...any) part, parts []part) part {
	var lacks, whys []string
	for _, p := range parts {
		switch p.answer {
		case by:
			return p
		case Unknown:
			lacks = append(lacks, p.lacks...)
		default:
			whys = append(whys, p.why)
		}
	}
	if len(lacks) > 0 {
		return unknown(lacks...)
	}
	return otherwise("%s", strings.Join(whys, "; "))
}

// add adds a step and returns its answer.
func (r *Result) add(rule, asks string, p part) part {
	r.Steps = append(r.Steps, evidence.IncidentStep{Rule: rule, Asks: asks, Answer: string(p.answer), Why: p.why})
	return p
}

func (r *Result) undecided(ps ...part) {
	r.Outcome = Undecided
	for _, p := range ps {
		if p.answer != Unknown {
			continue
		}
		for _, f := range p.lacks {
			if !slices.Contains(r.Missing, f) {
				r.Missing = append(r.Missing, f)
			}
		}
	}
}

// figure compares the share or the number of a figure with bars; nothing
// affected at all is below any.
func figure(f incident.Figure, name string, share float64, number int64) part {
	if f.Number != nil && *f.Number == 0 {
		return no("%s.number is 0", name)
	}
	var ps []part
	if share >= 0 {
		ps = append(ps, above(f.Share, share, name+".share", " %"))
	}
	if number >= 0 {
		ps = append(ps, above(f.Number, number, name+".number", ""))
	}
	return either(ps...)
}

// months is the window that recurring incidents are counted in.
const months = 6

// recurs checks that at least two incidents of one apparent root cause lie
// within six months of each other.
func recurs(f *incident.Fields, others []*incident.Fields) part {
	if len(others) == 0 {
		return no("no other incident was named")
	}
	if f.Causes.Group == "" {
		return unknown("causes.recurring_group")
	}
	begin := occurred(f)
	if begin.IsZero() {
		return unknown("times.occurred")
	}
	for i, o := range others {
		switch at := occurred(o); {
		case o.Causes.Group != f.Causes.Group:
			return no("incident %d of those named has another causes.recurring_group", i+1)
		case at.IsZero():
			return unknown("times.occurred")
		case apart(begin, at):
			return no("incident %d of those named is more than %d months away", i+1, months)
		}
	}
	return yes("%d incidents of cause %q within %d months", len(others)+1, f.Causes.Group, months)
}

func occurred(f *incident.Fields) time.Time {
	if !f.Times.Occurred.IsZero() {
		return f.Times.Occurred.UTC()
	}
	return f.Times.Detected.UTC()
}

func apart(a, b time.Time) bool {
	if b.Before(a) {
		a, b = b, a
	}
	end := a.AddDate(0, months, 0)
	if end.Day() != a.Day() { // the month has no such day: its last one counts
		end = end.AddDate(0, 0, -end.Day())
	}
	return b.After(end)
}
