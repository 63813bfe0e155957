package filing

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"evidenced/evidence/incident"
	"evidenced/evidence/problem"
	"evidenced/mappings/deadline"
)

// threatProperties are the places of the fields in the JSON form that
// circulates for significant cyber threats (CYB-1.2.0). It was seen at second
// hand; the names below the two contacts are those of the incident form.
var threatProperties = map[string]string{
	"1": "submittingEntity.name", "2": "submittingEntity.LEI", "3": "submittingEntity.typeOfSubmittingFinancialEntity[]",
	"4": "affectedFinancialEntity.name", "5": "affectedFinancialEntity.LEI",
	"6": "primaryContact.name", "7": "primaryContact.email", "8": "primaryContact.phone",
	"9": "secondaryContact.name", "10": "secondaryContact.email", "11": "secondaryContact.phone",
	"12": "cyberThreat.detectionDateTime", "13": "cyberThreat.cyberThreatDescription", "14": "cyberThreat.potentialImpactInformation",
	"15": "cyberThreat.potentialClassificationCriteria[]", "16": "cyberThreat.status", "17": "cyberThreat.actionsTakenToPreventMaterialisation",
	"18": "cyberThreat.notificationToOtherStakeholders", "19": "cyberThreat.indicatorsOfCompromise", "20": "cyberThreat.otherRelevantInformation",
}

// noThreat refuses the notification of a threat for what is none on record.
func noThreat(inc *incident.Incident) error {
	kind := inc.Fields.Identity.Kind
	if kind == "threat" {
		return nil
	}
	if kind == "" {
		kind = "not set"
	}
	return problem.New(problem.Refused, "incident %s is no cyber threat: identity.kind is %s", inc.ID, kind).
		WithHint("a threat that became an incident is reported as one, with the stages dora.initial and on; else set identity.kind to threat")
}

// threat returns the value of a field of Annex III of 2025/302.
func (v *values) threat(number string) any {
	f := &v.inc.Fields
	rep, t := &f.Reporter, &f.Threat
	switch number {
	case "1":
		return text(rep.Name)
	case "2":
		return text(cmp.Or(rep.LEI, rep.Code))
	case "3":
		if len(rep.Affected) == 0 {
			return nil // it is asked for only when another entity is affected
		}
		return list(rep.Types)
	case "4":
		return joined(rep.Affected, func(e incident.Entity) string { return e.Name })
	case "5":
		return joined(rep.Affected, func(e incident.Entity) string { return e.LEI })
	case "6", "7", "8":
		return v.contactPart("primary", number, "6", "7")
	case "9", "10", "11":
		return v.contactPart("secondary", number, "9", "10")
	case "12":
		m, _ := v.inc.AwareSince("dora")
		return instant(m.At)
	case "13":
		return text(t.Text)
	case "14":
		return text(t.Impact)
	case "15":
		return list(t.Criteria)
	case "16":
		return text(t.Status)
	case "17":
		return text(t.Actions)
	case "18":
		return text(t.ToldText)
	case "19":
		return text(f.Nature.Indicators)
	case "20":
		return text(f.Narrative.Other)
	}
	return nil
}

// contactPart is the name, the mail or else the telephone of a contact.
func (v *values) contactPart(place, number, name, mail string) any {
	c := v.o.Contacts[place]
	switch number {
	case name:
		return text(c.Name)
	case mail:
		return text(c.Mail)
	}
	return text(c.Phone)
}

// significant are the criteria of which a threat must be able to meet one to be
// significant (2024/1772 Art 10): critical services (Art 6), the first
// threshold (Art 9(1)) or geographical spread (Art 9(4)).
var significant = []string{"critical_services_affected", "clients_financial_counterparts_and_transactions_affected", "geographical_spread"}

// checkThreat looks at the fields together.
func checkThreat(f *Filing, v *values) []Check {
	c := checking{f: f}
	rep, t := &v.inc.Fields.Reporter, &v.inc.Fields.Threat
	if rep.LEI == "" && rep.Code != "" && slices.Contains(rep.Roles, "financial-entity") {
		c.add(Error, "2", "a financial entity names itself by its LEI; another code is for third parties that submit")
	}
	if len(rep.Affected) > 1 {
		c.add(Warning, "4", "it names %d entities; the template asks for one, and whether an authority takes several is not known", len(rep.Affected))
	}
	if n, m := strings.Count(c.text("4"), ";"), strings.Count(c.text("5"), ";"); c.has("4") && c.has("5") && n != m {
		c.add(Error, "5", "4 names %d entities and 5 has %d codes; the order must be the same", n+1, m+1)
	}
	for _, n := range []string{"8", "11"} {
		if s := c.text(n); s != "" && !strings.HasPrefix(strings.TrimSpace(s), "+") {
			c.add(Error, n, "a telephone number has its international prefix, such as +33")
		}
	}
	if l := c.list("15"); len(l) > 0 && !slices.ContainsFunc(l, func(s string) bool { return slices.Contains(significant, s) }) {
		c.add(Warning, "15", "a significant threat could affect critical services, meet the threshold of clients and transactions, or that of geographical spread (2024/1772 Art 10); none of them is named")
	}
	if t.Told != nil && !*t.Told && t.ToldText != "" {
		c.add(Error, "18", "threat.others_told says that nobody else was informed, and threat.others whom")
	}
	return c.found
}

// publishThreat writes the form of a threat. What is open is left out.
func (f *Filing) publishThreat(w io.Writer, p Profile) error {
	if !slices.Contains(ThreatProfiles, p.Version) {
		return problem.New(problem.Usage, "profile %.20q is no form of a cyber threat", p.Version).WithHint("known are %s", strings.Join(ThreatProfiles, ", "))
	}
	root := newObject()
	for i := range f.Fields {
		if x := &f.Fields[i]; x.Value != nil {
			f.place(root, x, p)
		}
	}
	return writeDocument(w, root)
}

// profilesOf are the versions of the form of a stage.
func profilesOf(stage deadline.Stage) []string {
	if stage == deadline.DORAThreat {
		return ThreatProfiles
	}
	return Profiles
}
