package notice

import (
	"evidenced/evidence/incident"
	"evidenced/mappings/classify"
	"evidenced/mappings/deadline"
)

var must = [3]Need{Mandatory}

// otherItems are the contents that the other laws ask for, by their points.
// The forms of national authorities ask for more.
var otherItems = map[deadline.Stage][]Item{
	deadline.NIS2Early: {
		{Number: "23(4)(a)", Name: "whether unlawful or malicious acts are suspected", Fields: by("nature.malicious"), need: must},
		{Number: "23(4)(a)", Name: "whether there can be cross-border impact", Fields: by("place.cross_border"), need: must},
	},
	deadline.NIS2Notification: {
		{Number: "23(4)(b)", Name: "initial assessment: what happened", Fields: by("narrative.description", "narrative.summary"), need: must},
		{Number: "23(4)(b)", Name: "severity and impact", Fields: by("business.services", "business.areas", "duration.downtime_minutes", "duration.unavailable_minutes"), need: must},
		{Number: "23(4)(b)", Name: "indicators of compromise, where available", Fields: by("nature.indicators"), need: [3]Need{NotAsked}},
	},
	deadline.NIS2Intermediate: {{Number: "23(4)(c)", Name: "status", Fields: by("narrative.description", "narrative.sequence"), need: must}},
	deadline.NIS2Progress:     {{Number: "23(4)(e)", Name: "progress", Fields: by("narrative.sequence", "narrative.description"), need: must}},
	deadline.NIS2Final: {
		{Number: "23(4)(d)(i)", Name: "detailed description with severity and impact", Fields: by("narrative.description"), need: must},
		{Number: "23(4)(d)(ii)", Name: "type of threat or root cause", Fields: by("narrative.cause", "causes.high"), need: must},
		{Number: "23(4)(d)(iii)", Name: "applied and ongoing mitigation", Fields: by("response.mitigation", "response.permanent_actions"), need: must},
		{Number: "23(4)(d)(iv)", Name: "cross-border impact", Fields: by("place.cross_border"), need: must},
	},
	deadline.GDPRAuthority: {
		{Number: "33(3)(a)", Name: "nature of the breach", Fields: by("narrative.description"), need: must},
		{Number: "33(3)(a)", Name: "categories of people and records", Fields: by("data.categories"), need: must},
		{Number: "33(3)(a)", Name: "approximate number of people", Fields: by("data.people.number"), need: must},
		{Number: "33(3)(a)", Name: "approximate number of records", Fields: by("data.records"), need: must},
		{Number: "33(3)(b)", Name: "data protection officer or other contact", Acts: func(i *incident.Incident) bool { return contact("dpo")(i) || contact("primary")(i) }, How: "contact", need: must},
		{Number: "33(3)(c)", Name: "likely consequences", Fields: by("data.consequences"), need: must},
		{Number: "33(3)(d)", Name: "measures taken or proposed", Fields: by("response.mitigation", "response.permanent_actions", "response.temporary_description"), need: must},
	},
	deadline.GDPRProcessor: {{Number: "33(2)", Name: "what the controller needs to know", Fields: by("narrative.description", "narrative.summary"), need: must}},
	deadline.GDPRPeople: {
		{Number: "34(2)", Name: "contact", Acts: func(i *incident.Incident) bool { return contact("dpo")(i) || contact("primary")(i) }, How: "contact", need: must},
		{Number: "34(2)", Name: "likely consequences", Fields: by("data.consequences"), need: must},
		{Number: "34(2)", Name: "measures taken or proposed", Fields: by("response.mitigation", "response.permanent_actions", "response.temporary_description"), need: must},
	},
	deadline.CRAEarly: {
		{Number: "14(2)(a), (4)(a)", Name: "Member States where the product is available", Fields: by("place.markets"), need: must},
		{Number: "14(4)(a)", Name: "whether unlawful or malicious acts are suspected", Fields: by("nature.malicious"), need: may,
			When: func(i *incident.Incident) classify.Answer { return answer(!vulnerability(i)) }, If: "it is a severe incident, not an exploited vulnerability"},
	},
	deadline.CRANotification: {
		{Number: "14(2)(b)", Name: "product", Fields: by("product.name"), need: must},
		{Number: "14(2)(b), (4)(b)", Name: "nature of the vulnerability or incident", Fields: by("narrative.description"), need: must},
		{Number: "14(2)(b), (4)(b)", Name: "measures taken", Fields: by("response.mitigation", "product.update"), need: must},
		{Number: "14(2)(b), (4)(b)", Name: "measures that users can take", Fields: by("product.advice"), need: must},
		{Number: "14(2)(b), (4)(b)", Name: "how sensitive the information is", Fields: by("product.sensitivity", "identity.confidentiality"), need: must},
	},
	deadline.CRAFinalVuln: {
		{Number: "14(2)(c)", Name: "description with severity and impact", Fields: by("narrative.description"), need: must},
		{Number: "14(2)(c)", Name: "severity", Fields: by("product.severity"), need: must},
		{Number: "14(2)(c)", Name: "details of the update", Fields: by("product.update"), need: must},
	},
	deadline.CRAFinalIncident: {
		{Number: "14(4)(c)", Name: "description with severity and impact", Fields: by("narrative.description"), need: must},
		{Number: "14(4)(c)", Name: "type of threat or root cause", Fields: by("narrative.cause", "causes.high"), need: must},
		{Number: "14(4)(c)", Name: "applied and ongoing measures", Fields: by("response.mitigation", "response.permanent_actions"), need: must},
	},
	deadline.CRAUsers: {{Number: "14(8)", Name: "what users can do", Fields: by("product.advice"), need: must}},
	deadline.CustomerNotice: {
		{Number: "30(2)(f)", Name: "what happened", Fields: by("narrative.summary", "narrative.description"), need: must},
		{Number: "30(2)(f)", Name: "since when", Fields: by("times.occurred", "times.detected"), need: must},
	},
}
