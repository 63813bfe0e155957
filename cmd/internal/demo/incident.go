package demo

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"evidenced/cmd/internal/api"
	"evidenced/evidence/problem"
)

// incidentSteps are the acts on the demonstration's incident.
//
//go:embed incident.yaml
var incidentSteps []byte

// IncidentStep is one command of evidenced incident, and when somebody gives
// it. Its parameters are those that the command's flags fill.
type IncidentStep struct {
	When time.Time `json:"when"` // UTC
	// Evidence names fields that are filled from records: those that the
	// classification's dry run offers for the downtime.
	Evidence []string `json:"from_evidence"`
	api.IncidentParams
}

// ParseIncidentSteps reads steps in the form of incident.yaml. They stand in
// the order of their time; an unknown name is an error.
func ParseIncidentSteps(data []byte) ([]IncidentStep, error) {
	var doc any
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("steps of an incident: %w", err)
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("steps of an incident: %w", err)
	}
	var file struct {
		Steps []IncidentStep `json:"steps"`
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		return nil, fmt.Errorf("steps of an incident: %w", err)
	}
	var last time.Time
	for i, s := range file.Steps {
		if s.When.Before(last) {
			return nil, fmt.Errorf("steps of an incident: step %d (%s at %s) comes before the one above it", i, s.Act, s.When.Format(time.RFC3339))
		}
		last = s.When
	}
	return file.Steps, nil
}

// IncidentPlayer gives the commands of an incident to a world, as its people
// would. The first declaration tells the ids that the later steps are about.
type IncidentPlayer struct {
	World api.World
	IDs   map[string]string // by tenant
	steps []IncidentStep
}

// NewIncidentPlayer returns a player of the steps. IDs may be given when the
// incident was declared before.
func NewIncidentPlayer(w api.World, ids map[string]string, steps []IncidentStep) *IncidentPlayer {
	if ids == nil {
		ids = map[string]string{}
	}
	return &IncidentPlayer{World: w, IDs: ids, steps: steps}
}

// Next returns when the next step is; false when there is none.
func (p *IncidentPlayer) Next() (time.Time, bool) {
	if len(p.steps) == 0 {
		return time.Time{}, false
	}
	return p.steps[0].When, true
}

// Step gives the next command. The world's clock stands at its time.
func (p *IncidentPlayer) Step(ctx context.Context) error {
	s := p.steps[0]
	p.steps = p.steps[1:]
	if err := p.give(ctx, s); err != nil {
		return fmt.Errorf("incident %s in %s at %s: %w", s.Act, s.Tenant, s.When.Format(time.RFC3339), err)
	}
	return nil
}

func (p *IncidentPlayer) give(ctx context.Context, s IncidentStep) error {
	r := s.IncidentParams
	r.ID, r.JSON = p.IDs[s.Tenant], true
	if len(s.Evidence) > 0 {
		seqs, err := p.downtime(ctx, r)
		if err != nil {
			return err
		}
		r.Records = map[string][]uint64{}
		for _, path := range s.Evidence {
			r.Records[path] = seqs
		}
	}
	acted, err := p.run(ctx, r)
	if err != nil {
		return err
	}
	if r.Act == "declare" {
		p.IDs[s.Tenant] = acted.ID
		for _, part := range acted.Parts {
			p.IDs[part.Tenant.String()] = part.ID
		}
	}
	return nil
}

// downtime asks what the evidence shows of the time the incident's systems were
// down, as a person does who looks before writing a figure.
func (p *IncidentPlayer) downtime(ctx context.Context, r api.IncidentParams) ([]uint64, error) {
	look, err := p.run(ctx, api.IncidentParams{Common: r.Common, Act: "classify", ID: r.ID, Law: "dora", DryRun: true})
	if err != nil {
		return nil, err
	}
	for _, o := range look.Working.Offered {
		if strings.HasPrefix(o.What, "not healthy: ") {
			return o.Records, nil
		}
	}
	return nil, problem.New(problem.NotFound, "no evidence of a downtime")
}

func (p *IncidentPlayer) run(ctx context.Context, r api.IncidentParams) (*api.Acted, error) {
	answer, err := give(ctx, p.World, "incident", r)
	if err != nil {
		return nil, err
	}
	acted := &api.Acted{}
	return acted, json.Unmarshal(answer, acted)
}

// give gives one command to the world and returns its answer.
func give(ctx context.Context, w api.World, op string, params any) ([]byte, error) {
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	out := &api.Out{Header: func(string) error { return nil }, Body: &b}
	err = api.Run(ctx, w, api.Caller{UID: 1000, Via: "direct"}, op, raw, out)
	return b.Bytes(), err
}
