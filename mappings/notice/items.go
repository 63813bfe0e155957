package notice

import (
	"slices"

	"evidenced/evidence/incident"
	"evidenced/mappings/classify"
	"evidenced/mappings/deadline"
)

// Need says whether a stage asks for an item.
type Need byte

// The needs.
const (
	NotAsked    Need = 'N' // may be sent early
	Mandatory   Need = 'Y'
	Conditional Need = 'C'
)

// Item is one thing that a notification says.
type Item struct {
	Number string // of DORA's annex; the point of the article for others
	Name   string
	Fields []string // of the record that answer it; one that is set is enough
	// Acts answers an item that acts answer; nil when fields do.
	Acts func(inc *incident.Incident) bool
	// When decides a condition; its words are said when it cannot be decided.
	When func(inc *incident.Incident) classify.Answer
	If   string
	How  string  // the command that answers it, when no field does
	need [3]Need // initial, intermediate, final; for others the first alone
}

// Open is an item that a stage needs and that is not answered.
type Open struct {
	Number string   `json:"number"`
	Name   string   `json:"name"`
	Fields []string `json:"fields,omitempty"`
	How    string   `json:"how,omitempty"` // the command that gives it, when no field does
	Why    string   `json:"why"`
}

// NeedAt says whether the stage of a column asks for the item.
func (it *Item) NeedAt(column int) Need { return it.need[column] }

// Answered reports whether the record or the acts answer the item.
func (it *Item) Answered(inc *incident.Incident) bool {
	if it.Acts != nil {
		return it.Acts(inc)
	}
	return slices.ContainsFunc(it.Fields, inc.Fields.Has)
}

// Items are what the stage asks for, with the place of its column.
func Items(stage deadline.Stage) (items []Item, column int) {
	switch stage {
	case deadline.DORAInitial, deadline.DORAReclassified:
		return doraItems, 0
	case deadline.DORAIntermediate, deadline.DORAUpdate:
		return doraItems, 1
	case deadline.DORAFinal:
		return doraItems, 2
	case deadline.DORAThreat:
		return threatItems, 0
	}
	return otherItems[stage], 0
}

// OpenItems lists what the stage needs and lacks. A text that cannot be opened
// any more is open again.
func OpenItems(inc *incident.Incident, stage deadline.Stage) []Open {
	items, column := Items(stage)
	out := []Open{}
	for i := range items {
		it := &items[i]
		why := ""
		switch it.need[column] {
		case Mandatory:
			why = "mandatory"
		case Conditional:
			switch it.When(inc) {
			case classify.Yes:
				why = "mandatory here: " + it.If
			case classify.Unknown:
				why = "cannot be told yet whether " + it.If
			}
		}
		if stage == deadline.DORAReclassified && it.Number == "2.10" {
			why = "mandatory for a reclassification: the reasons"
		}
		if why == "" || it.Answered(inc) {
			continue
		}
		for _, f := range it.Fields {
			if lost := inc.Lost[f]; lost != "" {
				why += "; what was written cannot be opened any more (" + lost + ")"
			}
		}
		out = append(out, Open{it.Number, it.Name, it.Fields, it.How, why})
	}
	return out
}

func answer(b bool) classify.Answer {
	if b {
		return classify.Yes
	}
	return classify.No
}

func flagged(b *bool) classify.Answer {
	if b == nil {
		return classify.Unknown
	}
	return answer(*b)
}

// above0 asks for a number above nothing.
func above0(n *int64) classify.Answer {
	if n == nil {
		return classify.Unknown
	}
	return answer(*n > 0)
}

func criterion(name string) func(*incident.Incident) classify.Answer {
	return func(inc *incident.Incident) classify.Answer { return Criteria(inc)[name] }
}

// Criteria answers each criterion of list B of 2025/302 for the reports on the
// incident: by its facts as they stand; where it became major together with
// others also as the look at all of them found; and where it was found not to
// be major after all, as the look found that the reports stood on.
func Criteria(inc *incident.Incident) map[string]classify.Answer {
	met := classify.Criteria(&inc.Fields)
	if _, reported := inc.Reported(); !reported {
		return met
	}
	look := newestMajor(inc.Decisions)
	then := classify.Found(look.Steps)
	if _, major := inc.Major(); !major {
		return then
	}
	for name, a := range then {
		if a == classify.Yes && len(look.Recurring) > 0 {
			met[name] = a
		}
	}
	return met
}

// newestMajor returns the newest decision that said major: its working is the
// newest that reports stand on, though the clock starts with the first.
func newestMajor(ds []incident.Decision) incident.Decision {
	for _, d := range slices.Backward(ds) {
		if d.Law == string(deadline.DORA) && d.Decision == classify.Major {
			return d
		}
	}
	return incident.Decision{}
}

// among asks whether a list that somebody set holds the value.
func among(list []string, value string) classify.Answer {
	if len(list) == 0 {
		return classify.Unknown
	}
	return answer(slices.Contains(list, value))
}

func contact(place string) func(*incident.Incident) bool {
	return func(inc *incident.Incident) bool { _, ok := inc.Contacts[place]; return ok }
}

func phone(place string) func(*incident.Incident) bool {
	return func(inc *incident.Incident) bool { c, ok := inc.Contacts[place]; return ok && !c.Lost && c.Phone != "" }
}

func always(*incident.Incident) bool { return true }

func aware(law string) func(*incident.Incident) bool {
	return func(inc *incident.Incident) bool { _, ok := inc.AwareSince(law); return ok }
}

func classified(inc *incident.Incident) bool { _, ok := inc.Reported(); return ok }

func otherEntity(inc *incident.Incident) classify.Answer {
	return answer(inc.Fields.Reporter.Aggregated || len(inc.Fields.Reporter.Affected) > 0)
}

func someTransactions(inc *incident.Incident) classify.Answer {
	return above0(inc.Fields.Business.Transactions.Number)
}

func cyber(inc *incident.Incident) classify.Answer {
	return among(inc.Fields.Nature.Types, "cybersecurity-related")
}

func recurring(inc *incident.Incident) classify.Answer {
	for _, d := range inc.Decisions {
		if d.Law == "dora" && len(d.Recurring) > 0 && d.Decision == classify.Major {
			return classify.Yes
		}
	}
	n := inc.Fields.Causes.Count
	return answer(n != nil && *n > 0)
}

// otherCause asks whether a value of list J is one of the "other"s.
func otherCause(inc *incident.Incident) classify.Answer {
	d := inc.Fields.Causes.Detailed
	if len(d) == 0 {
		return classify.Unknown
	}
	return answer(slices.ContainsFunc(d, func(s string) bool { return len(s) > 6 && s[len(s)-6:] == "_other" }))
}

// subValues asks whether a value of list J has values below it in list K.
func subValues(inc *incident.Incident) classify.Answer {
	d := inc.Fields.Causes.Detailed
	if len(d) == 0 {
		return classify.Unknown
	}
	return answer(slices.ContainsFunc(d, incident.HasAdditional))
}
