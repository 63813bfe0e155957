package notice

import (
	"evidenced/evidence/incident"
	"evidenced/mappings/classify"
)

// need spells the columns of the annex: initial, intermediate, final.
func need(s string) [3]Need { return [3]Need{Need(s[0]), Need(s[1]), Need(s[2])} }

// by names the fields that answer an item.
func by(paths ...string) []string { return paths }

// known is what is known of the incident.
type known = incident.Incident

// doraItems are the 76 fields of Implementing Regulation (EU) 2025/302, Annex
// I, by number. Group membership, which decides 1.13 and 1.14, is a field of
// ours; 2.5 and 2.3 are answered by the recorded classification.
var doraItems = []Item{
	{Number: "1.1", Name: "type of submission", Acts: always, need: need("YYY")},
	{Number: "1.2", Name: "name of the submitting entity", Fields: by("reporter.name"), need: need("YYY")},
	{Number: "1.3", Name: "identification code of the submitting entity", Fields: by("reporter.lei", "reporter.code"), need: need("YYY")},
	{Number: "1.4", Name: "type of the affected financial entity", Acts: func(i *known) bool { return len(types(&i.Fields.Reporter)) > 0 }, Fields: by("reporter.types"), need: need("YYY")},
	{Number: "1.5", Name: "name of the financial entity affected", Fields: by("reporter.affected"), When: otherEntity, If: "the affected entity is another than the submitter", need: need("CCC")},
	{Number: "1.6", Name: "LEI of the financial entity affected", Fields: by("reporter.affected"), When: otherEntity, If: "the affected entity is another than the submitter", need: need("CCC"),
		Acts: affectedLEIs},
	{Number: "1.7", Name: "primary contact: name", Acts: contact("primary"), How: "contact", need: need("YYY")},
	{Number: "1.8", Name: "primary contact: mail", Acts: contact("primary"), How: "contact", need: need("YYY")},
	{Number: "1.9", Name: "primary contact: telephone", Acts: phone("primary"), How: "contact", need: need("YYY")},
	{Number: "1.10", Name: "second contact: name", Acts: contact("secondary"), How: "contact", need: need("YYY")},
	{Number: "1.11", Name: "second contact: mail", Acts: contact("secondary"), How: "contact", need: need("YYY")},
	{Number: "1.12", Name: "second contact: telephone", Acts: phone("secondary"), How: "contact", need: need("YYY")},
	{Number: "1.13", Name: "name of the ultimate parent undertaking", Fields: by("reporter.parent.name"), When: inGroup, If: "the entity belongs to a group", need: need("CCC")},
	{Number: "1.14", Name: "LEI of the ultimate parent undertaking", Fields: by("reporter.parent.lei"), When: inGroup, If: "the entity belongs to a group", need: need("CCC")},
	{Number: "1.15", Name: "reporting currency", Fields: by("reporter.currency"), need: need("YYY")},

	{Number: "2.1", Name: "incident reference code of the entity", Fields: by("identity.reference"), need: need("YYY")},
	{Number: "2.2", Name: "date and time of detection", Acts: aware("dora"), How: "clock --aware", need: need("YYY")},
	{Number: "2.3", Name: "date and time of classification as major", Acts: classified, How: "classify", need: need("YYY")},
	{Number: "2.4", Name: "description", Fields: by("narrative.description"), need: need("YYY")},
	{Number: "2.5", Name: "classification criteria that triggered the report", Acts: classified, How: "classify", need: need("YYY")},
	{Number: "2.6", Name: "Member States of the threshold geographical spread", Fields: by("place.states"), When: criterion(incident.CriterionSpread), If: "the threshold of geographical spread is met", need: need("CCC")},
	{Number: "2.7", Name: "discovery", Fields: by("nature.discovery"), need: need("YYY")},
	{Number: "2.8", Name: "origin in a third-party provider or another financial entity", Fields: by("nature.third_party.name"), When: func(i *known) classify.Answer { return flagged(i.Fields.Nature.ThirdParty) }, If: "it originates in a third party", need: need("CCC")},
	{Number: "2.9", Name: "activation of the business continuity plan", Fields: by("response.continuity_plan"), need: need("YYY")},
	{Number: "2.10", Name: "other relevant information", Fields: by("narrative.other"), When: func(*known) classify.Answer { return classify.No }, If: "there is something not covered", need: need("CCC")},

	{Number: "3.1", Name: "reference code of the authority", Fields: by("identity.authority_reference"), When: authorityGave, If: "the authority gave a code", need: need("NCC"),
		Acts: func(i *known) bool { return authorityGave(i) == classify.Yes }},
	{Number: "3.2", Name: "date and time of occurrence", Fields: by("times.occurred"), need: need("NYY")},
	{Number: "3.3", Name: "date and time of recovery", Fields: by("times.restored", "times.recovered"), When: down, If: "there was downtime", need: need("NCC")},
	{Number: "3.4", Name: "clients affected: number", Fields: by("business.clients.number"), need: need("NYY")},
	{Number: "3.5", Name: "clients affected: percentage", Fields: by("business.clients.share"), need: need("NYY")},
	{Number: "3.6", Name: "financial counterparts affected: number", Fields: by("business.counterparts.number"), need: need("NYY")},
	{Number: "3.7", Name: "financial counterparts affected: percentage", Fields: by("business.counterparts.share"), need: need("NYY")},
	{Number: "3.8", Name: "impact on relevant clients or counterparts", Fields: by("business.relevant_clients"), When: func(i *known) classify.Answer { return flagged(i.Fields.Business.Relevant) }, If: "the threshold of relevance is met", need: need("NCC")},
	{Number: "3.9", Name: "affected transactions: number", Fields: by("business.transactions.number"), When: someTransactions, If: "transactions are affected", need: need("NCC")},
	{Number: "3.10", Name: "affected transactions: percentage", Fields: by("business.transactions.share"), When: someTransactions, If: "transactions are affected", need: need("NCC")},
	{Number: "3.11", Name: "affected transactions: value", Fields: by("business.transactions_value"), When: someTransactions, If: "transactions are affected", need: need("NCC")},
	{Number: "3.12", Name: "actual, estimate or no impact (3.4 to 3.11)", Fields: by("business.clients.number", "business.counterparts.number", "business.transactions.number"), need: need("NYY")},
	{Number: "3.13", Name: "reputational impact", Fields: by("business.reputation"), When: criterion(incident.CriterionReputation), If: "the criterion of reputation is met", need: need("NCC")},
	{Number: "3.14", Name: "context of the reputational impact", Fields: by("business.reputation_context"), When: criterion(incident.CriterionReputation), If: "the criterion of reputation is met", need: need("NCC")},
	{Number: "3.15", Name: "duration of the incident", Fields: by("duration.minutes"), need: need("NYY")},
	{Number: "3.16", Name: "service downtime", Fields: by("duration.downtime_minutes"), When: func(i *known) classify.Answer { return above0(i.Fields.Duration.Downtime) }, If: "there was downtime", need: need("NCC")},
	{Number: "3.17", Name: "actual or estimate (3.15, 3.16)", Fields: by("duration.figures"), When: criterion(incident.CriterionDuration), If: "the criterion of duration and downtime is met", need: need("NCC")},
	{Number: "3.18", Name: "types of impact in the Member States", Fields: by("place.impacts"), When: criterion(incident.CriterionSpread), If: "the threshold of geographical spread is met", need: need("NCC")},
	{Number: "3.19", Name: "description of the impact in other Member States", Fields: by("place.description"), When: criterion(incident.CriterionSpread), If: "the threshold of geographical spread is met", need: need("NCC")},
	{Number: "3.20", Name: "materiality thresholds for data losses", Fields: by("data.affected"), When: criterion(incident.CriterionLosses), If: "the criterion of data losses is met", need: need("NCC")},
	{Number: "3.21", Name: "description of the data losses", Fields: by("data.description"), When: criterion(incident.CriterionLosses), If: "the criterion of data losses is met", need: need("NCC")},
	{Number: "3.22", Name: "critical services affected", Fields: by("business.services"), need: need("NYY")},
	{Number: "3.23", Name: "type of the incident", Fields: by("nature.types"), need: need("NYY")},
	{Number: "3.24", Name: "other types of incidents", Fields: by("nature.other_type"), When: func(i *known) classify.Answer { return among(i.Fields.Nature.Types, "other") }, If: "3.23 says other", need: need("NCC")},
	{Number: "3.25", Name: "threats and techniques", Fields: by("nature.techniques"), When: cyber, If: "it is cybersecurity-related", need: need("NCC")},
	{Number: "3.26", Name: "other types of techniques", Fields: by("nature.other_technique"), When: func(i *known) classify.Answer {
		if a := cyber(i); a != classify.Yes {
			return a
		}
		return among(i.Fields.Nature.Techniques, "other")
	}, If: "3.25 says other", need: need("NCC")},
	{Number: "3.27", Name: "affected functional areas and business processes", Fields: by("business.areas"), need: need("NYY")},
	{Number: "3.28", Name: "infrastructure components affected", Fields: by("systems.infrastructure"), need: need("NYY")},
	{Number: "3.29", Name: "information on those components", Fields: by("systems.components"), When: func(i *known) classify.Answer { return word(i.Fields.Systems.Infrastructure) }, If: "components are affected", need: need("NCC")},
	{Number: "3.30", Name: "impact on the financial interest of clients", Fields: by("business.clients_financial_interest"), need: need("NYY")},
	{Number: "3.31", Name: "reporting to other authorities", Fields: by("response.authorities_told"), need: need("NYY")},
	{Number: "3.32", Name: "specification of other authorities", Fields: by("response.authorities_other"), When: func(i *known) classify.Answer { return among(i.Fields.Response.Told, "other") }, If: "3.31 says other", need: need("NCC")},
	{Number: "3.33", Name: "temporary actions taken or planned", Fields: by("response.temporary_actions"), need: need("NYY")},
	{Number: "3.34", Name: "description of temporary actions", Fields: by("response.temporary_description"), When: func(i *known) classify.Answer { return flagged(i.Fields.Response.Temporary) }, If: "3.33 is yes", need: need("NCC")},
	{Number: "3.35", Name: "indicators of compromise", Fields: by("nature.indicators"), When: func(i *known) classify.Answer {
		switch a := cyber(i); {
		case i.Fields.Reporter.NIS2Status == "none":
			return classify.No
		case a == classify.Yes && i.Fields.Reporter.NIS2Status == "":
			return classify.Unknown
		default:
			return a
		}
	}, If: "it is cybersecurity-related and the entity is in the scope of NIS-2", need: need("NCC")},

	{Number: "4.1", Name: "high-level root causes", Fields: by("causes.high"), need: need("NNY")},
	{Number: "4.2", Name: "detailed root causes", Fields: by("causes.detailed"), need: need("NNY")},
	{Number: "4.3", Name: "additional root-cause classification", Fields: by("causes.additional"), When: subValues, If: "a value of 4.2 has values below it", need: need("NNC")},
	{Number: "4.4", Name: "other root-cause types", Fields: by("causes.other"), When: otherCause, If: "a value of 4.2 is an other", need: need("NNC")},
	{Number: "4.5", Name: "information about the root causes", Fields: by("narrative.cause"), need: need("NNY")},
	{Number: "4.6", Name: "incident resolution", Fields: by("narrative.resolution"), need: need("NNY")},
	{Number: "4.7", Name: "root cause addressed at", Fields: by("times.root_cause_addressed"), need: need("NNY")},
	{Number: "4.8", Name: "incident resolved at", Fields: by("times.resolved"), need: need("NNY")},
	{Number: "4.9", Name: "why the resolution differs from the plan", Fields: by("narrative.plan_difference"), need: need("NNY")},
	{Number: "4.10", Name: "risk to critical functions for resolution purposes", Fields: by("resolution_authorities.critical_functions"), When: func(i *known) classify.Answer { return flagged(i.Fields.Resolving.Risk) }, If: "critical functions of Directive 2014/59/EU are at risk", need: need("NNC")},
	{Number: "4.11", Name: "information for resolution authorities", Fields: by("resolution_authorities.resolvability"), When: func(i *known) classify.Answer { return flagged(i.Fields.Resolving.Affected) }, If: "resolvability is affected", need: need("NNC")},
	{Number: "4.12", Name: "materiality threshold economic impact", Fields: by("money.description"), need: need("NNY")},
	{Number: "4.13", Name: "gross direct and indirect costs and losses", Fields: by("money.costs"), need: need("NNY")},
	{Number: "4.14", Name: "financial recoveries", Fields: by("money.recoveries"), need: need("NNY")},
	{Number: "4.15", Name: "recurring non-major incidents", Fields: by("causes.recurring"), When: recurring, If: "the major incident is made of recurring ones", need: need("NNC")},
	{Number: "4.16", Name: "first occurrence of recurring incidents", Fields: by("times.first_occurrence"), When: recurring, If: "the major incident is made of recurring ones", need: need("NNC")},
}

func inGroup(i *known) classify.Answer { return flagged(i.Fields.Reporter.Group) }

func down(i *known) classify.Answer { return above0(i.Fields.Duration.Downtime) }

// word reads yes, no, unknown or nothing; unknown is an answer of its own
// ("information not available") and asks for no more.
func word(s string) classify.Answer {
	switch s {
	case "":
		return classify.Unknown
	case "yes":
		return classify.Yes
	}
	return classify.No
}

// authorityGave reports whether a receipt or the record holds a code of the
// authority's.
func authorityGave(i *known) classify.Answer {
	if i.Fields.Identity.Authority != "" {
		return classify.Yes
	}
	for _, s := range i.Sent("dora.initial") {
		for _, r := range s.Receipts {
			if r.Reference != "" {
				return classify.Yes
			}
		}
	}
	return classify.No
}
