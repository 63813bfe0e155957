// Package trace tells how a thing came to be and what came of it: from a commit
// over review, pipeline and image to what runs and who read its secrets, and
// back. It draws what package lineage joins; every link names the records that
// make it, and a link that is missing is said with its reason.
//
// Build makes the model; Text, DOT and SVG draw it, and the model itself is the
// JSON document, so the four cannot disagree.
package trace

import (
	"context"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/lineage"
	"evidenced/reports"
)

// Options of a trace.
type Options struct {
	lineage.Options
	Zone *time.Location // said beside UTC; nil for UTC alone
}

// Answer is the whole answer; as JSON it is the document of the command.
type Answer struct {
	Sentence  string                     `json:"answer"`
	Tenant    evidence.Tenant            `json:"tenant"`
	Asked     string                     `json:"asked"`
	Direction lineage.Direction          `json:"direction"`
	At        time.Time                  `json:"at,omitzero"`
	Window    *evidence.Period           `json:"window,omitempty"`
	Origin    string                     `json:"origin"`
	Size      uint64                     `json:"as_known_at_size"`
	Demo      bool                       `json:"demonstration,omitempty"`
	Items     []Item                     `json:"things"`
	Links     []lineage.Link             `json:"links"`
	Missing   []lineage.Missing          `json:"missing"`
	Limits    []string                   `json:"limits,omitempty"`
	Reads     int                        `json:"records_read"`
	Records   map[evidence.Kind][]uint64 `json:"records"`

	zone *time.Location
	byID map[string]*Item
}

// Item is one thing on the chain, as people call it.
type Item struct {
	lineage.Node
	Title  string           `json:"title"`
	Detail string           `json:"detail,omitempty"`
	Time   time.Time        `json:"time,omitzero"` // of what happened once
	People []reports.Person `json:"people,omitempty"`
}

// Build traces what was found by the text asked.
func Build(ctx context.Context, r evidence.Reader, asked string, from lineage.Found, opt Options) (*Answer, error) {
	var t *lineage.Trace
	var err error
	if from.Ref.IsZero() {
		t, err = lineage.WalkRecord(ctx, r, from.Record, opt.Options)
	} else {
		t, err = lineage.Walk(ctx, r, from.Ref, opt.Options)
	}
	if err != nil {
		return nil, fmt.Errorf("trace %s in %s: %w", asked, r.Tenant(), err)
	}
	a := &Answer{
		Tenant: r.Tenant(), Asked: asked, Direction: opt.Direction, At: opt.At.UTC(), Origin: r.Origin(), Size: r.Size(), Demo: r.Simulated(),
		Items: []Item{}, Links: t.Links, Missing: t.Missing, Limits: t.Limits, Reads: t.Reads, Records: map[evidence.Kind][]uint64{}, zone: opt.Zone,
		byID: map[string]*Item{},
	}
	if a.Direction == "" {
		a.Direction = lineage.Both
	}
	if opt.At.IsZero() {
		a.At = time.Time{}
		if !opt.Window.IsZero() {
			a.Window = &evidence.Period{From: opt.Window.From.UTC(), To: opt.Window.To.UTC()}
		}
	}
	if a.Missing == nil {
		a.Missing = []lineage.Missing{}
	}
	b := &builder{r: r, t: t, people: reports.NewPeople(r)}
	for i := range t.Nodes {
		it, err := b.item(ctx, &t.Nodes[i])
		if err != nil {
			return nil, fmt.Errorf("trace %s in %s: %w", asked, r.Tenant(), err)
		}
		a.Items = append(a.Items, it)
	}
	for i := range a.Items {
		a.byID[a.Items[i].ID] = &a.Items[i]
	}
	a.operators(t)
	for seq, rec := range t.Records {
		a.Records[rec.Kind] = append(a.Records[rec.Kind], seq)
	}
	for _, seqs := range a.Records {
		slices.Sort(seqs)
	}
	a.speak()
	return a, nil
}

// operators says of a request that came from an account which an operator logs
// in as: what it read went into a copy in the cluster.
func (a *Answer) operators(t *lineage.Trace) {
	accounts := map[evidence.Ref]string{}
	for _, it := range a.Items {
		if it.Stage != lineage.Store {
			continue
		}
		for _, seq := range it.Records {
			for _, l := range t.Records[seq].Links {
				if l.Scheme == "account" {
					accounts[l] = it.Title
				}
			}
		}
	}
	for i := range a.Items {
		it := &a.Items[i]
		if it.Stage != lineage.Access {
			continue
		}
		for _, seq := range it.Records {
			for _, l := range t.Records[seq].Links {
				if store, ok := accounts[l]; ok {
					it.Detail += ", by the operator of " + store + ", which fills the copy"
				}
			}
		}
	}
}

// item returns the thing with the id; a thing that is not there is shown by
// its id alone.
func (a *Answer) item(id string) *Item {
	if it, ok := a.byID[id]; ok {
		return it
	}
	return &Item{Node: lineage.Node{ID: id}, Title: id}
}

// start returns the thing that was asked about.
func (a *Answer) start() *Item {
	for i := range a.Items {
		if a.Items[i].Start {
			return &a.Items[i]
		}
	}
	return &Item{Title: a.Asked}
}
