package incident

import (
	"time"

	"evidenced/evidence"
)

// Fields are what is known of an incident, in no regulator's words. All are
// optional: nothing stands for "not known", which is never the same as no or
// zero. Fields with the tag text are free text a person wrote; they stand in
// the text claim of a record, where they can be erased.
type Fields struct {
	Identity  Identity  `json:"identity,omitzero"`
	Reporter  Reporter  `json:"reporter,omitzero"`
	Times     Times     `json:"times,omitzero"`
	Narrative Narrative `json:"narrative,omitzero"`
	Nature    Nature    `json:"nature,omitzero"`
	Business  Business  `json:"business,omitzero"`
	Place     Place     `json:"place,omitzero"`
	Duration  Duration  `json:"duration,omitzero"`
	Data      Data      `json:"data,omitzero"`
	Money     Money     `json:"money,omitzero"`
	Harm      Harm      `json:"harm,omitzero"`
	Systems   Systems   `json:"systems,omitzero"`
	Product   Product   `json:"product,omitzero"`
	Response  Response  `json:"response,omitzero"`
	Causes    Causes    `json:"causes,omitzero"`
	Resolving Resolving `json:"resolution_authorities,omitzero"`
	Threat    Threat    `json:"threat,omitzero"`
}

// Identity names the incident.
type Identity struct {
	Reference       string   `json:"reference,omitempty"`           // the entity's own code
	Authority       string   `json:"authority_reference,omitempty"` // that an authority gave
	Kind            string   `json:"kind,omitempty"`                // incident, threat, vulnerability, breach
	Confidentiality string   `json:"confidentiality,omitempty"`     // TLP colour
	Language        string   `json:"language,omitempty"`            // ISO 639-1
	Related         []string `json:"related,omitempty"`             // ids of incidents of the same log
}

// Entity is a legal person.
type Entity struct {
	Name     string   `json:"name,omitempty"`
	LEI      string   `json:"lei,omitempty"`       // ISO 17442
	Code     string   `json:"code,omitempty"`      // another identification
	CodeType string   `json:"code_type,omitempty"` // EUID, ...
	Types    []string `json:"types,omitempty"`     // list A of 2025/302
}

// Reporter says who reports, in which roles, to whom.
type Reporter struct {
	Entity
	Roles       []string  `json:"roles,omitempty"` // financial-entity, ict-provider, controller, processor, operator, manufacturer
	State       string    `json:"state,omitempty"` // of the authority, ISO 3166 alpha-2
	Zone        string    `json:"zone,omitempty"`  // of the authority; default: the state's
	Authority   string    `json:"authority,omitempty"`
	NIS2Status  string    `json:"nis2_status,omitempty"` // essential, important, none
	NIS2Type    string    `json:"nis2_type,omitempty"`   // cloud, cdn, managed, data-centre, dns, tld, platform, trust, other
	NIS2Hours   bool      `json:"nis2_full_hours,omitempty"`
	Exception   time.Time `json:"noon_exception_notified,omitzero"` // 2025/301 Art 5(6)
	Micro       bool      `json:"microenterprise,omitempty"`
	Group       *bool     `json:"group,omitempty"` // belongs to one
	Parent      Entity    `json:"parent,omitzero"`
	Affected    []Entity  `json:"affected,omitempty"` // entities on whose behalf is reported
	Aggregated  bool      `json:"aggregated,omitempty"`
	Outsourced  string    `json:"outsourced_to,omitempty"`
	Currency    string    `json:"currency,omitempty"`     // ISO 4217
	TargetHours int       `json:"target_hours,omitempty"` // own target for what is owed without undue delay
}

// Times are when things happened. Awareness and classification are acts of
// their own.
type Times struct {
	Occurred    time.Time `json:"occurred,omitzero"`
	FirstTrace  time.Time `json:"first_trace,omitzero"`
	Detected    time.Time `json:"detected,omitzero"`
	Contained   time.Time `json:"contained,omitzero"`
	Restored    time.Time `json:"restored,omitzero"`  // service
	Recovered   time.Time `json:"recovered,omitzero"` // regular activities
	Addressed   time.Time `json:"root_cause_addressed,omitzero"`
	Resolved    time.Time `json:"resolved,omitzero"`
	Available   time.Time `json:"measure_available,omitzero"`
	Handled     time.Time `json:"handled,omitzero"` // end of handling
	Planned     time.Time `json:"planned_resolution,omitzero"`
	FirstOfMany time.Time `json:"first_occurrence,omitzero"` // of recurring incidents
	ClientsHit  time.Time `json:"clients_hit,omitzero"`      // awareness that clients' financial interests are hit
}

// Narrative is told in words.
type Narrative struct {
	Summary     string `json:"summary,omitempty" text:"yes"`
	Description string `json:"description,omitempty" text:"yes"`
	Sequence    string `json:"sequence,omitempty" text:"yes"`
	Cause       string `json:"cause,omitempty" text:"yes"`
	Resolution  string `json:"resolution,omitempty" text:"yes"`
	Lessons     string `json:"lessons,omitempty" text:"yes"`
	Difference  string `json:"plan_difference,omitempty" text:"yes"` // why the resolution differs from the plan
	Other       string `json:"other,omitempty" text:"yes"`
}

// Nature says what it is.
type Nature struct {
	Types          []string `json:"types,omitempty"` // list G
	OtherType      string   `json:"other_type,omitempty" text:"yes"`
	Malicious      string   `json:"malicious,omitempty"`  // suspected: yes, no, unknown
	Techniques     []string `json:"techniques,omitempty"` // list H
	OtherTechnique string   `json:"other_technique,omitempty" text:"yes"`
	EntryVector    string   `json:"entry_vector,omitempty" text:"yes"`
	Actor          string   `json:"actor,omitempty" text:"yes"`
	Discovery      string   `json:"discovery,omitempty"` // list C
	ThirdParty     *bool    `json:"from_third_party,omitempty"`
	Origin         Entity   `json:"third_party,omitzero"`
	OriginNote     string   `json:"third_party_note,omitempty" text:"yes"`
	// Indicators of compromise, one a line: type, value, first seen, TLP.
	Indicators string `json:"indicators,omitempty" text:"yes"`
}

// Figure is a number and a share of a whole.
type Figure struct {
	Number   *int64   `json:"number,omitempty"`
	Share    *float64 `json:"share,omitempty"` // per cent
	Estimate bool     `json:"estimate,omitempty"`
}

// Business is the impact on people and business.
type Business struct {
	Critical       *bool    `json:"critical_services,omitempty"`   // supporting critical or important functions
	Authorised     *bool    `json:"authorised_services,omitempty"` // financial services that are supervised
	Intrusion      *bool    `json:"malicious_access,omitempty"`    // successful, malicious and unauthorised
	Clients        Figure   `json:"clients,omitzero"`
	Counterparts   Figure   `json:"counterparts,omitzero"`
	Transactions   Figure   `json:"transactions,omitzero"`
	Value          *int64   `json:"transactions_value,omitempty"`       // whole units of the currency
	ValueShare     *float64 `json:"transactions_value_share,omitempty"` // per cent of the daily average
	Relevant       *bool    `json:"relevant_clients,omitempty"`
	Users          Figure   `json:"users_union,omitzero"`
	Interest       string   `json:"clients_financial_interest,omitempty"` // yes, no, unknown
	Reputation     []string `json:"reputation,omitempty"`                 // list E
	NoReputation   bool     `json:"no_reputation,omitempty"`              // looked at: none
	ReputationText string   `json:"reputation_context,omitempty" text:"yes"`
	Services       string   `json:"services,omitempty" text:"yes"` // critical ones affected
	Areas          string   `json:"areas,omitempty" text:"yes"`    // functional areas and processes
}

// Place is the geographical impact.
type Place struct {
	States      []string `json:"states,omitempty"`  // affected, the home state too
	Impacts     []string `json:"impacts,omitempty"` // list F
	Text        string   `json:"description,omitempty" text:"yes"`
	CrossBorder string   `json:"cross_border,omitempty"` // yes, no, unknown
	Markets     []string `json:"markets,omitempty"`      // states where the product is available
}

// Duration is the impact in time.
type Duration struct {
	Minutes      *int64 `json:"minutes,omitempty"`          // from occurrence to resolution
	Downtime     *int64 `json:"downtime_minutes,omitempty"` // of services
	DownCritical *bool  `json:"downtime_critical,omitempty"`
	Estimate     string `json:"figures,omitempty"`                  // actual, estimate, both, none
	Unavailable  *int64 `json:"unavailable_minutes,omitempty"`      // completely, NIS-2
	WeekMinutes  *int64 `json:"unavailable_week_minutes,omitempty"` // in the calendar week, NIS-2 trust services
	Limited      *int64 `json:"limited_minutes,omitempty"`          // or slow, NIS-2
	LimitedUsers Figure `json:"limited_users,omitzero"`
}

// Data is the impact on data.
type Data struct {
	Affected      []string `json:"affected,omitempty"` // availability, authenticity, integrity, confidentiality
	NotAffected   bool     `json:"not_affected,omitempty"`
	Adverse       *bool    `json:"adverse,omitempty"`                   // on business objectives or regulatory duties
	MayLose       *bool    `json:"may_lose,omitempty"`                  // an access that may result in data losses
	Malicious     *bool    `json:"malicious,omitempty"`                 // compromised by suspectedly malicious action
	Users         Figure   `json:"users,omitzero"`                      // whose data is compromised
	Misconfigured *bool    `json:"few_domains_misconfigured,omitempty"` // NIS-2 DNS exception
	Text          string   `json:"description,omitempty" text:"yes"`
	Personal      *bool    `json:"personal,omitempty"`
	People        Figure   `json:"people,omitzero"`
	Records       *int64   `json:"records,omitempty"`
	Categories    string   `json:"categories,omitempty" text:"yes"`
	Special       *bool    `json:"special_categories,omitempty"`
	Encrypted     *bool    `json:"encrypted,omitempty"`
	Consequences  string   `json:"consequences,omitempty" text:"yes"`
	TradeSecrets  *bool    `json:"trade_secrets,omitempty"`
}

// Money is the economic impact, in whole units of the currency.
type Money struct {
	Costs      *int64           `json:"costs,omitempty"` // gross, direct and indirect
	ByType     map[string]int64 `json:"by_type,omitempty"`
	Likely     *bool            `json:"likely_above_100000,omitempty"` // EUR, when no number is known
	Recoveries *int64           `json:"recoveries,omitempty"`
	Loss       *int64           `json:"direct_loss,omitempty"` // caused or possible, EUR, NIS-2
	Turnover   *int64           `json:"turnover,omitempty"`    // of the previous year, EUR
	Estimate   bool             `json:"estimate,omitempty"`
	Text       string           `json:"description,omitempty" text:"yes"`
}

// Harm is what NIS-2 asks beside the above.
type Harm struct {
	Disruption *bool `json:"severe_disruption,omitempty"` // or financial loss, caused or possible
	Others     *bool `json:"others,omitempty"`            // considerable damage to others
	Death      *bool `json:"death,omitempty"`
	Health     *bool `json:"health,omitempty"`
	Physical   *bool `json:"physical_access,omitempty"` // to the premises, compromised
	Planned    *bool `json:"planned,omitempty"`         // scheduled interruption or maintenance
}

// Systems are the components, with links into the evidence.
type Systems struct {
	Infrastructure string         `json:"infrastructure,omitempty"` // affected: yes, no, unknown
	Text           string         `json:"components,omitempty" text:"yes"`
	Refs           []evidence.Ref `json:"refs,omitempty"` // applications, images, commits, secrets
}

// Product is what the Cyber Resilience Act asks.
type Product struct {
	Name        string   `json:"name,omitempty"`
	Versions    []string `json:"versions,omitempty"`
	CVEs        []string `json:"cves,omitempty"`
	Exploited   *bool    `json:"exploited,omitempty"`      // actively
	Protection  *bool    `json:"protection,omitempty"`     // its ability to protect data or functions is harmed
	Code        *bool    `json:"malicious_code,omitempty"` // in the product or in a user's systems
	Severity    string   `json:"severity,omitempty"`
	Sensitivity string   `json:"sensitivity,omitempty" text:"yes"`
	Update      string   `json:"update,omitempty" text:"yes"`
	Advice      string   `json:"advice,omitempty" text:"yes"`
}

// Response is what was done.
type Response struct {
	Continuity    *bool    `json:"continuity_plan,omitempty"` // formally activated
	Temporary     *bool    `json:"temporary_actions,omitempty"`
	TemporaryText string   `json:"temporary_description,omitempty" text:"yes"`
	Permanent     string   `json:"permanent_actions,omitempty" text:"yes"`
	Mitigation    string   `json:"mitigation,omitempty" text:"yes"`
	Help          string   `json:"external_help,omitempty" text:"yes"`
	Told          []string `json:"authorities_told,omitempty"` // list of 3.31
	ToldOther     string   `json:"authorities_other,omitempty" text:"yes"`
}

// Causes are the root causes.
type Causes struct {
	High       []string `json:"high,omitempty"`       // list I
	Detailed   []string `json:"detailed,omitempty"`   // list J
	Additional []string `json:"additional,omitempty"` // list K
	Other      string   `json:"other,omitempty" text:"yes"`
	Group      string   `json:"recurring_group,omitempty"` // own name of the same apparent cause
	Count      *int64   `json:"recurring_count,omitempty"`
	Recurring  string   `json:"recurring,omitempty" text:"yes"`
}

// Resolving is for resolution authorities.
type Resolving struct {
	Risk          *bool  `json:"risk,omitempty"` // to critical functions, Directive 2014/59/EU Art 2(1)(35)
	Affected      *bool  `json:"resolvability_affected,omitempty"`
	Functions     string `json:"critical_functions,omitempty" text:"yes"`
	Resolvability string `json:"resolvability,omitempty" text:"yes"`
}

// Threat is a significant cyber threat that has not become an incident; its
// record has the kind threat. Indicators of compromise and other information
// stand where an incident's do.
type Threat struct {
	Text     string   `json:"description,omitempty" text:"yes"` // overview, risks and vulnerabilities, probability, source
	Impact   string   `json:"impact,omitempty" text:"yes"`      // potential, on the entity, its clients and counterparts
	Criteria []string `json:"criteria,omitempty"`               // list B, that could have been triggered
	Status   string   `json:"status,omitempty"`                 // active, inactive
	May      *bool    `json:"may_affect,omitempty"`             // critical or important functions, other entities, providers, clients or counterparts
	Likely   *bool    `json:"likely,omitempty"`                 // highly probable that it materialises
	Actions  string   `json:"actions,omitempty" text:"yes"`     // to prevent that it materialises
	Told     *bool    `json:"others_told,omitempty"`            // other stakeholders
	ToldText string   `json:"others,omitempty" text:"yes"`      // whom, and of what
}
