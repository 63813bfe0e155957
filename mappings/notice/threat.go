package notice

import (
	"evidenced/evidence/incident"
	"evidenced/mappings/classify"
)

// threatItems are the 20 fields of the voluntary notification of a significant
// cyber threat: Implementing Regulation (EU) 2025/302, Annexes III and IV, by
// number. Field 12 is the instant of awareness, as for an incident. What is
// asked for "if available" or "if any" is never open.
var threatItems = []Item{
	{Number: "1", Name: "name of the submitting entity", Fields: by("reporter.name"), need: must},
	{Number: "2", Name: "identification code of the submitting entity", Fields: by("reporter.lei", "reporter.code"), need: must},
	{Number: "3", Name: "type of the financial entity submitting", Fields: by("reporter.types"), When: otherEntity, If: "the affected entity is another than the submitter", need: may},
	{Number: "4", Name: "name of the financial entity", Fields: by("reporter.affected"), When: otherEntity, If: "it is another than the submitter", need: may},
	{Number: "5", Name: "LEI of the financial entity", Fields: by("reporter.affected"), When: otherEntity, If: "it is another than the submitter", need: may, Acts: affectedLEIs},
	{Number: "6", Name: "primary contact: name", Acts: contact("primary"), How: "contact", need: must},
	{Number: "7", Name: "primary contact: mail", Acts: contact("primary"), How: "contact", need: must},
	{Number: "8", Name: "primary contact: telephone", Acts: phone("primary"), How: "contact", need: must},
	{Number: "9", Name: "second contact: name", Acts: contact("secondary"), How: "contact", When: never, If: "there is one", need: may},
	{Number: "10", Name: "second contact: mail", Acts: contact("secondary"), How: "contact", When: never, If: "there is one", need: may},
	{Number: "11", Name: "second contact: telephone", Acts: phone("secondary"), How: "contact", When: never, If: "there is one", need: may},

	{Number: "12", Name: "date and time of detection", Acts: aware("dora"), How: "clock --aware", need: must},
	{Number: "13", Name: "description of the threat", Fields: by("threat.description"), need: must},
	{Number: "14", Name: "potential impact", Fields: by("threat.impact"), need: must},
	{Number: "15", Name: "classification criteria that could have been triggered", Fields: by("threat.criteria"), need: must},
	{Number: "16", Name: "status of the threat", Fields: by("threat.status"), need: must},
	{Number: "17", Name: "actions taken to prevent that it materialises", Fields: by("threat.actions"), need: must},
	{Number: "18", Name: "notification to other stakeholders", Fields: by("threat.others"), When: othersTold, If: "other stakeholders were informed", need: may},
	{Number: "19", Name: "indicators of compromise", Fields: by("nature.indicators"), When: never, If: "there are any", need: may},
	{Number: "20", Name: "other relevant information", Fields: by("narrative.other"), When: never, If: "there is any", need: may},
}

var may = [3]Need{Conditional}

// never is the condition of what may be given and is not missed.
func never(*incident.Incident) classify.Answer { return classify.No }

func othersTold(inc *incident.Incident) classify.Answer { return flagged(inc.Fields.Threat.Told) }

// affectedLEIs reports whether every entity that is reported for has its LEI.
func affectedLEIs(inc *incident.Incident) bool {
	for _, e := range inc.Fields.Reporter.Affected {
		if e.LEI == "" {
			return false
		}
	}
	return len(inc.Fields.Reporter.Affected) > 0
}
