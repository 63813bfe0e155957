// Package filing makes what is filed with an authority of an incident: the
// notifications of DORA, NIS-2, the GDPR and the Cyber Resilience Act, as one
// list of numbered fields with several skins.
//
// Nothing is invented: a field that nobody filled is listed as open, with the
// command that fills it, and what cannot be right is said field by field. The
// entity decides, submits and stays responsible (DORA Art 19(5)); no export
// promises that an authority takes it.
package filing

import (
	"context"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/mappings/deadline"
	"evidenced/mappings/notice"
)

// Contact is whom an authority may call, with the names opened.
type Contact struct {
	Name  string
	Mail  string
	Phone string
}

// Options say how a filing is made.
type Options struct {
	Contacts map[string]Contact // by place: primary, secondary, dpo
	Now      time.Time
	Demo     bool
	// Early takes fields along that the stage does not ask for yet, as Art 1(1)
	// of 2025/302 allows.
	Early bool
	// HomeState lists the state of the entity's own authority among the
	// affected ones too (2.6); instructions of authorities differ.
	HomeState bool
}

// Filing is one notification as the record of the incident stands.
type Filing struct {
	Format   string          `json:"format"` // Neutral
	Tenant   evidence.Tenant `json:"tenant"`
	Origin   string          `json:"origin"`
	Size     uint64          `json:"log_size"`
	Incident string          `json:"incident"`
	Law      deadline.Law    `json:"law"`
	Stage    deadline.Stage  `json:"stage"`
	Article  string          `json:"article"`
	Says     string          `json:"stage_says"`
	Made     time.Time       `json:"made"`
	Demo     bool            `json:"demonstration,omitempty"`
	// Copy is the SHA-256 of Record, by which a filing is known again.
	Copy   evidence.Hash   `json:"copy"`
	Record incident.Fields `json:"record"`
	Fields []Field         `json:"fields"`
	Open   []notice.Open   `json:"open"`
	Checks []Check         `json:"checks"`
}

// Neutral is the format of a Filing in JSON.
const Neutral = "evidenced-filing/v1"

// Field is one field of a notification.
type Field struct {
	Number string `json:"number"` // of the annex; the point of the article for other laws
	Name   string `json:"name"`
	Need   string `json:"need"` // mandatory, conditional, not asked for
	// Value is text, a list of texts, a number or yes/no; nil when it is open.
	Value    any      `json:"value,omitempty"`
	Why      string   `json:"why,omitempty"`      // there is no value
	Property string   `json:"property,omitempty"` // in the published JSON form
	Set      []uint64 `json:"set_by,omitempty"`   // records that set it
	Evidence []uint64 `json:"evidence,omitempty"` // records it was filled from
}

// Check is something that cannot be right, or that an authority may refuse.
type Check struct {
	Number string `json:"number"`
	Grade  string `json:"grade"` // error, warning
	Says   string `json:"says"`
}

// The grades of a check.
const (
	Error   = "error"
	Warning = "warning"
)

// Contacts opens the names of the incident's contacts. One whose record was
// erased is left out: nobody can be called by it.
func Contacts(ctx context.Context, r evidence.Reader, inc *incident.Incident) (map[string]Contact, error) {
	out := map[string]Contact{}
	for place, c := range inc.Contacts {
		id, err := r.Identity(ctx, c.Person.Token)
		if err != nil {
			return nil, err
		}
		if !id.Erased {
			out[place] = Contact{Name: id.Names.Display, Mail: id.Names.Mail, Phone: c.Phone}
		}
	}
	return out, nil
}

// Build makes the filing of a stage. The incident is not changed.
func Build(r evidence.Reader, inc *incident.Incident, stage deadline.Stage, o Options) (*Filing, error) {
	law, ok := deadline.StageLaw(stage)
	items, column := notice.Items(stage)
	if !ok || len(items) == 0 {
		return nil, unknownStage(stage)
	}
	if stage == deadline.DORAThreat {
		if err := noThreat(inc); err != nil {
			return nil, err
		}
	}
	_, copied, err := inc.Copy()
	if err != nil {
		return nil, err
	}
	f := &Filing{
		Format: Neutral, Tenant: r.Tenant(), Origin: r.Origin(), Size: inc.Size, Incident: inc.ID, Law: law, Stage: stage, Made: o.Now.UTC().Truncate(time.Second), Demo: o.Demo,
		Copy: copied, Record: inc.Fields, Open: notice.OpenItems(inc, stage), Checks: []Check{},
	}
	f.Article, f.Says = deadline.StageSays(stage)
	values := &values{inc: inc, stage: stage, o: o}
	for i := range items {
		it := &items[i]
		fld := Field{Number: it.Number, Name: it.Name, Need: needs[it.NeedAt(column)]}
		if it.NeedAt(column) != notice.NotAsked || o.Early {
			switch {
			case stage == deadline.DORAThreat:
				fld.Value, fld.Property = values.threat(it.Number), threatProperties[it.Number]
			case law == deadline.DORA:
				fld.Value, fld.Property = values.dora(it.Number), properties[it.Number]
			default:
				fld.Value = values.plain(it)
			}
		}
		if fld.Value != nil {
			fld.Set, fld.Evidence = values.from(it)
		} else {
			fld.Why = f.why(it, it.NeedAt(column))
		}
		f.Fields = append(f.Fields, fld)
	}
	switch {
	case stage == deadline.DORAThreat:
		f.Checks = append(f.Checks, checkThreat(f, values)...)
	case law == deadline.DORA:
		f.Checks = append(f.Checks, checkDORA(f, values)...)
	}
	return f, nil
}

var needs = map[notice.Need]string{notice.Mandatory: "mandatory", notice.Conditional: "conditional", notice.NotAsked: "not asked for"}

// Field returns the field of a number; nil when the stage has none.
func (f *Filing) Field(number string) *Field {
	for i := range f.Fields {
		if f.Fields[i].Number == number {
			return &f.Fields[i]
		}
	}
	return nil
}
