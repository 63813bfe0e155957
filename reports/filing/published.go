package filing

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"evidenced/evidence/incident"
	"evidenced/evidence/problem"
	"evidenced/mappings/deadline"
)

// properties are the places of the fields in the JSON form that circulates for
// DORA's incident reports (its versions IR-1.2.1 and IR-1.3.0). No law asks for
// a form; one authority is known to take this one. Of a list of objects the
// place names the list with [].
var properties = map[string]string{
	"1.1": "incidentSubmission", "1.2": "submittingEntity.name", "1.3": "submittingEntity.LEI", "1.4": "affectedEntity[].affectedEntityType[]",
	"1.5": "affectedEntity[].name", "1.6": "affectedEntity[].LEI", "1.7": "primaryContact.name", "1.8": "primaryContact.email", "1.9": "primaryContact.phone",
	"1.10": "secondaryContact.name", "1.11": "secondaryContact.email", "1.12": "secondaryContact.phone",
	"1.13": "ultimateParentUndertaking.name", "1.14": "ultimateParentUndertaking.LEI", "1.15": "reportCurrency",

	"2.1": "incident.financialEntityCode", "2.2": "incident.detectionDateTime", "2.3": "incident.classificationDateTime", "2.4": "incident.incidentDescription",
	"2.5": "incident.classificationTypes[].classificationCriterion", "2.6": "incident.classificationTypes[].countryCodeMaterialityThresholds[]",
	"2.7": "incident.incidentDiscovery", "2.8": "incident.originatesFromThirdPartyProvider", "2.9": "incident.isBusinessContinuityActivated", "2.10": "incident.otherInformation",

	"3.1": "incident.competentAuthorityCode", "3.2": "incident.incidentOccurrenceDateTime", "3.3": "impactAssessment.serviceImpact.serviceRestorationDateTime",
	"3.4": "impactAssessment.affectedAssets.affectedClients.number", "3.5": "impactAssessment.affectedAssets.affectedClients.percentage",
	"3.6": "impactAssessment.affectedAssets.affectedFinancialCounterparts.number", "3.7": "impactAssessment.affectedAssets.affectedFinancialCounterparts.percentage",
	"3.8": "impactAssessment.hasImpactOnRelevantClients", "3.9": "impactAssessment.affectedAssets.affectedTransactions.number",
	"3.10": "impactAssessment.affectedAssets.affectedTransactions.percentage", "3.11": "impactAssessment.affectedAssets.valueOfAffectedTransactions",
	"3.12": "impactAssessment.affectedAssets.numbersActualEstimate[]", "3.13": "incident.classificationTypes[].reputationalImpactType[]",
	"3.14": "incident.classificationTypes[].reputationalImpactDescription", "3.15": "incident.incidentDuration", "3.16": "impactAssessment.serviceImpact.serviceDowntime",
	"3.17": "informationDurationServiceDowntimeActualOrEstimate", "3.18": "incident.classificationTypes[].memberStatesImpactType[]",
	"3.19": "incident.classificationTypes[].memberStatesImpactTypeDescription", "3.20": "incident.classificationTypes[].dataLosseMaterialityThresholds[]",
	"3.21": "incident.classificationTypes[].dataLossesDescription", "3.22": "impactAssessment.criticalServicesAffected", "3.23": "incident.incidentType.incidentClassification[]",
	"3.24": "incident.incidentType.otherIncidentClassification", "3.25": "incident.incidentType.threatTechniques[]", "3.26": "incident.incidentType.otherThreatTechniques",
	"3.27": "impactAssessment.affectedFunctionalAreas", "3.28": "impactAssessment.isAffectedInfrastructureComponents", "3.29": "impactAssessment.affectedInfrastructureComponents",
	"3.30": "impactAssessment.isImpactOnFinancialInterest", "3.31": "reportingToOtherAuthorities[]", "3.32": "reportingToOtherAuthoritiesOther",
	"3.33": "impactAssessment.serviceImpact.isTemporaryActionsMeasuresForRecovery", "3.34": "impactAssessment.serviceImpact.descriptionOfTemporaryActionsMeasuresForRecovery",
	"3.35": "incident.incidentType.indicatorsOfCompromise",

	"4.1": "incident.rootCauseHLClassification[]", "4.2": "incident.rootCausesDetailedClassification[]", "4.3": "incident.rootCausesAdditionalClassification[]",
	"4.4": "incident.rootCausesOther", "4.5": "incident.rootCausesInformation", "4.6": "incident.incidentResolutionSummary", "4.7": "incident.rootCauseAddressingDateTime",
	"4.8": "incident.incidentResolutionDateTime", "4.9": "incident.incidentResolutionVsPlannedImplementation", "4.10": "incident.assessmentOfRiskToCriticalFunctions",
	"4.11": "incident.informationRelevantToResolutionAuthorities", "4.12": "incident.classificationTypes[].economicImpactMaterialityThreshold",
	"4.13": "incident.grossAmountIndirectDirectCosts", "4.14": "incident.financialRecoveriesAmount", "4.15": "incident.recurringNonMajorIncidentsDescription", "4.16": "incident.recurringIncidentDate",
}

// criterionOf says in the object of which criterion a field stands.
var criterionOf = map[string]string{
	"2.6": "geographical_spread", "3.18": "geographical_spread", "3.19": "geographical_spread",
	"3.13": "reputational_impact", "3.14": "reputational_impact", "3.20": "data_losses", "3.21": "data_losses", "4.12": "economic_impact",
}

// money are fields that hold amounts.
var money = []string{"3.11", "4.13", "4.14"}

// Profile is a version of the published form, and how an authority reads it.
type Profile struct {
	Version string // one of Profiles or ThreatProfiles
	// Scale divides amounts: authorities differ in whether they want units or
	// thousands. Amounts are rounded half up.
	Scale int64
}

// Profiles are the versions that are known of the form of incident reports,
// ThreatProfiles those of the form of cyber threats.
var (
	Profiles       = []string{"1.2.1", "1.3.0"}
	ThreatProfiles = []string{"1.2.0"}
)

// NewProfile checks a profile for a stage; without a version it is the newest
// one, and scale 0 is thousands, the precision that the annex asks for at least.
func NewProfile(stage deadline.Stage, version string, scale int64) (Profile, error) {
	known := profilesOf(stage)
	if version == "" {
		version = known[len(known)-1]
	}
	if !slices.Contains(known, version) {
		return Profile{}, problem.New(problem.Usage, "profile %.20q is not known", version).WithHint("known are %s", strings.Join(known, ", "))
	}
	if scale == 0 {
		scale = 1000
	}
	if scale != 1 && scale != 1000 {
		return Profile{}, problem.New(problem.Usage, "amounts in units of %d", scale).WithHint("1 for whole units of the currency, 1000 for thousands")
	}
	return Profile{version, scale}, nil
}

// object is a JSON object in the making. Names keep the order of the fields.
type object struct {
	names  []string
	values map[string]any
}

func newObject() *object { return &object{values: map[string]any{}} }

// at returns the object of a name, made when it is not there.
func (o *object) at(name string) *object {
	if x, ok := o.values[name].(*object); ok {
		return x
	}
	x := newObject()
	o.set(name, x)
	return x
}

func (o *object) set(name string, v any) {
	if _, there := o.values[name]; !there {
		o.names = append(o.names, name)
	}
	o.values[name] = v
}

// MarshalJSON writes the names in the order they were set.
func (o *object) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, n := range o.names {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(n)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(o.values[n])
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}

// Published writes a filing of DORA in the published JSON form. What is open is
// left out: the form has no place for nothing.
func (f *Filing) Published(w io.Writer, p Profile) error {
	if f.Law != deadline.DORA {
		return problem.New(problem.Usage, "stage %s has no published JSON form", f.Stage).WithHint("use --form json, csv, xlsx, text or pdf")
	}
	if f.Stage == deadline.DORAThreat {
		return f.publishThreat(w, p)
	}
	root := newObject()
	for i := range f.Fields {
		x := &f.Fields[i]
		if x.Value == nil || criterionOf[x.Number] != "" || slices.Contains([]string{"1.4", "1.5", "1.6", "2.5"}, x.Number) {
			continue
		}
		f.place(root, x, p)
		switch x.Number {
		case "1.3":
			root.at("submittingEntity").set("entityType", "SUBMITTING_ENTITY")
			f.affected(root)
		case "1.13", "1.14":
			root.at("ultimateParentUndertaking").set("entityType", "ULTIMATE_PARENT_UNDERTAKING_ENTITY")
		case "2.4":
			f.classification(root)
		}
	}
	return writeDocument(w, root)
}

// writeDocument writes a filing, or the register, as JSON that people can read
// too.
func writeDocument(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write filing: %w", err)
	}
	return nil
}

func (f *Filing) place(root *object, x *Field, p Profile) {
	parts := strings.Split(x.Property, ".")
	o := root
	for _, name := range parts[:len(parts)-1] {
		o = o.at(name)
	}
	name, v := strings.TrimSuffix(parts[len(parts)-1], "[]"), x.Value
	if n, ok := v.(int64); ok && slices.Contains(money, x.Number) && p.Scale > 1 {
		v = int64(math.Floor(float64(n)/float64(p.Scale) + 0.5))
	}
	if x.Property == "submittingEntity.LEI" && f.Record.Reporter.LEI == "" {
		name = "code"
	}
	o.set(name, v)
}

// affected writes the entities on whose behalf is reported; the submitting one
// stands there itself when it names no other.
func (f *Filing) affected(root *object) {
	rep := &f.Record.Reporter
	es := rep.Affected
	if len(es) == 0 {
		es = []incident.Entity{rep.Entity}
	}
	var out []*object
	for _, e := range es {
		o := newObject()
		o.set("entityType", "AFFECTED_ENTITY")
		if e.Name != "" {
			o.set("name", e.Name)
		}
		if e.LEI != "" {
			o.set("LEI", e.LEI)
		}
		types := e.Types
		if len(types) == 0 {
			types = rep.Types
		}
		if len(types) > 0 {
			o.set("affectedEntityType", types)
		}
		out = append(out, o)
	}
	root.set("affectedEntity", out)
}

// classification writes an object for each criterion, with its own fields in
// it.
func (f *Filing) classification(root *object) {
	x := f.Field("2.5")
	if x == nil || x.Value == nil {
		return
	}
	criteria, _ := x.Value.([]string)
	var out []*object
	for _, c := range criteria {
		o := newObject()
		o.set("classificationCriterion", c)
		for i := range f.Fields {
			if y := &f.Fields[i]; criterionOf[y.Number] == c && y.Value != nil {
				name := y.Property[strings.LastIndex(y.Property, "].")+2:]
				o.set(strings.TrimSuffix(name, "[]"), y.Value)
			}
		}
		out = append(out, o)
	}
	root.at("incident").set("classificationTypes", out)
}

// Read reads a filing that WriteJSON wrote.
func Read(b []byte) (*Filing, error) {
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.DisallowUnknownFields()
	var f Filing
	if err := dec.Decode(&f); err != nil {
		return nil, problem.Wrap(problem.Usage, err, "this is no filing")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, problem.New(problem.Usage, "there is more behind the filing")
	}
	if f.Format != Neutral {
		return nil, problem.New(problem.Usage, "a filing of format %.40q", f.Format).WithHint("this program reads %s", Neutral)
	}
	if f.Tenant.IsZero() {
		return nil, problem.New(problem.Usage, "the filing names no tenant")
	}
	inc := incident.Incident{Fields: f.Record}
	_, sum, err := inc.Copy()
	if err != nil {
		return nil, err
	}
	if sum != f.Copy {
		return nil, problem.New(problem.Refused, "the record in the filing was changed: its SHA-256 is %s, not %s", sum, f.Copy)
	}
	return &f, nil
}

// WriteJSON writes the filing with the whole record behind it.
func (f *Filing) WriteJSON(w io.Writer) error { return writeDocument(w, f) }
