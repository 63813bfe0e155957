package statement

import (
	"time"

	"evidenced/evidence"
)

// Told is a statement as answers tell it.
type Told struct {
	Type     Type                 `json:"type"`
	Name     string               `json:"name"`
	State    State                `json:"state"`
	Void     string               `json:"void,omitempty"` // why it has no effect
	Controls []evidence.ControlID `json:"controls"`
	Tests    []string             `json:"tests,omitempty"`
	Records  []uint64             `json:"accepted_records,omitempty"`
	Subjects []evidence.Ref       `json:"subjects,omitempty"`
	From     time.Time            `json:"from"`
	Until    time.Time            `json:"until,omitzero"`
	Ended    time.Time            `json:"ended,omitzero"`
	By       string               `json:"made_by"`
	Approved string               `json:"approved_by"`
	Proof    evidence.Proof       `json:"approval_proof,omitempty"`
	At       time.Time            `json:"approved_at,omitzero"`
	Key      string               `json:"approval_key,omitempty"`
	Commit   string               `json:"commit,omitempty"`
	Path     string               `json:"path,omitempty"`
	Request  []uint64             `json:"request_records,omitempty"`
	Document evidence.Hash        `json:"document,omitzero"`
	Size     int64                `json:"document_size,omitempty"`
	Media    string               `json:"document_type,omitempty"`
	Kept     bool                 `json:"document_kept,omitempty"`
	Reason   string               `json:"reason,omitempty"`
	Lost     string               `json:"reason_lost,omitempty"`
	Text     evidence.Hash        `json:"statement"`
	Seq      uint64               `json:"record"`
	Recorded time.Time            `json:"recorded"`
}

// Tell tells the statement as it stands at an instant.
func (s *Recorded) Tell(at time.Time) Told {
	t := Told{
		Type: s.Type, Name: s.Name, State: s.State(at), Void: s.Void, Controls: s.Controls, Records: s.Records, Subjects: s.Subjects,
		From: s.From, Until: s.Until, Ended: s.Ended, By: s.MakerName, Approved: s.OtherName, Proof: s.Approver.Proof, At: s.Approval.At,
		Key: s.Approval.Key, Commit: s.Approval.Commit, Path: s.Approval.Path, Request: s.Approval.Records, Reason: s.Reason, Lost: s.Lost,
		Text: s.Approval.Text, Seq: s.Seq, Recorded: s.Recorded,
	}
	for _, x := range s.Tests {
		t.Tests = append(t.Tests, x.Test)
	}
	if d := s.Document; d != nil {
		t.Document, t.Size, t.Media, t.Kept = d.SHA256, d.Size, d.Media, s.Kept
	}
	return t
}

// ToldWaived is what is accepted of a finding, as answers tell it.
type ToldWaived struct {
	Whole bool         `json:"all"` // nothing that failed is left
	Items int          `json:"items"`
	Of    int          `json:"of"`
	Until time.Time    `json:"until,omitzero"`
	By    []Told       `json:"waivers,omitempty"`
	Not   []ToldRefuse `json:"without_effect,omitempty"`
}

// ToldRefuse is a waiver that names the finding and accepts nothing, or not all,
// of it.
type ToldRefuse struct {
	Name string `json:"name"`
	Seq  uint64 `json:"record"`
	Why  string `json:"why"`
}

// Tell tells it as of an instant; nil for nil.
func (w *Waived) Tell(at time.Time) *ToldWaived {
	if w == nil {
		return nil
	}
	t := &ToldWaived{Whole: w.Whole, Items: w.Items, Of: w.Of, Until: w.Until}
	for _, s := range w.By {
		t.By = append(t.By, s.Tell(at))
	}
	for _, r := range w.Not {
		t.Not = append(t.Not, ToldRefuse{r.Waiver.Name, r.Waiver.Seq, r.Why})
	}
	return t
}
