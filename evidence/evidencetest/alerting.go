package evidencetest

import (
	"encoding/json"
	"fmt"

	"evidenced/evidence"
)

// alertNames are the facts that name something in the kinds of alerting and of
// incidents; an end may hold them beside its reason.
type alertNames struct {
	Fingerprint string `json:"fingerprint"`
	StartsAt    string `json:"starts_at"`
	ID          string `json:"id"`
	Incident    string `json:"incident"`
	Group       string `json:"group"`
	Name        string `json:"name"`
}

// alertIdentity returns what a draft of alerting is about, as collectors name it.
// Of an incident's acts the facts name their incident, which real ones do not.
func alertIdentity(d *evidence.Draft) (subject evidence.Ref, key string, ok bool) {
	var f alertNames
	switch d.Kind {
	case evidence.AlertInstance, evidence.AlertSilence, evidence.AlertRule, evidence.IncidentDeclared, evidence.IncidentUpdated:
		if err := json.Unmarshal(d.Content, &f); err != nil {
			panic(fmt.Sprintf("evidencetest: facts of %s: %v", d.Kind, err))
		}
	}
	switch d.Kind {
	case evidence.AlertInstance:
		return evidence.NewRef("alert", "prod", f.Fingerprint).WithUID(f.StartsAt), "", true
	case evidence.AlertSilence:
		return evidence.NewRef("silence", "prod", f.ID), "", true
	case evidence.AlertRule:
		return evidence.NewRef("alertrule", "prod", "rules.yaml/"+f.Group+"/"+f.Name), "", true
	case evidence.IncidentDeclared, evidence.IncidentUpdated:
		return evidence.NewRef("incident", "", f.Incident), f.Incident + "/" + string(d.Kind) + "/" + evidence.FormatTime(d.OccurredAt), true
	}
	return evidence.Ref{}, "", false
}
