package incident

// The closed lists that a field's values come from. A to K are those of the
// annexes of Implementing Regulation (EU) 2025/302 in the spelling of its
// circulating JSON form; the rest is our own.

// ClosedList is a closed list.
type ClosedList struct {
	Name   string
	Values []string
}

// lists are the closed lists by field.
var lists = map[string]ClosedList{
	"identity.kind":                       {"kinds of incident", []string{"incident", "threat", "vulnerability", "breach"}},
	"identity.confidentiality":            {"TLP 2.0", []string{"clear", "green", "amber", "amber+strict", "red"}},
	"reporter.roles":                      {"roles", []string{"financial-entity", "ict-provider", "controller", "processor", "operator", "manufacturer"}},
	"reporter.nis2_status":                {"NIS-2 status", []string{"essential", "important", "none"}},
	"reporter.nis2_type":                  {"types of 2024/2690 Art 1", []string{"cloud", "cdn", "managed", "data-centre", "dns", "tld", "platform", "trust", "other"}},
	"reporter.types":                      listA,
	"nature.types":                        {"list G of 2025/302", []string{"cybersecurity-related", "process_failure", "system_failure", "external_event", "payment-related", "other"}},
	"nature.malicious":                    threeWay,
	"nature.discovery":                    {"list C of 2025/302", []string{"it_security", "staff", "internal_audit", "external_audit", "clients", "financial_counterparts", "third-party_provider", "attacker", "monitoring_systems", "authority_agency_law_enforcement_body", "other"}},
	"business.clients_financial_interest": threeWay,
	"place.cross_border":                  threeWay,
	"place.impacts":                       {"list F of 2025/302", []string{"clients", "financial_counterparts", "branch_of_the_financial_entity", "financial_entities_within_the_group_carrying_out_activities_in_the_respective_member_state", "financial_market_infrastructure", "third-party_providers_that_may_be_common_to_other_financial_entities"}},
	"duration.figures":                    {"figures", []string{"actual", "estimate", "both", "none"}},
	"data.affected":                       {"properties of data", []string{"availability", "authenticity", "integrity", "confidentiality"}},
	"systems.infrastructure":              threeWay,
	"response.authorities_told":           {"authorities of field 3.31", []string{"police_law_enforcement", "csirt", "data_protection_authority", "national_cybersecurity_agency", "none", "other"}},
	"causes.high":                         {"list I of 2025/302", []string{"malicious_actions", "process_failure", "system_failure_malfunction", "human_error", "external_event"}},
	// The annex says "excluding identity theft", its list and the JSON form
	// say "including".
	"nature.techniques": {"list H of 2025/302", []string{"social_engineering_including_phishing", "ddos", "identity_theft", "data_encryption_for_impact_including_ransomware", "resource_hijacking", "data_exfiltration_and_manipulation_including_identity_theft", "data_destruction", "defacement", "supply-chain_attack", "other"}},
	"business.reputation": {"list E of 2025/302", []string{
		"the_major_ict-related_incident_has_been_reflected_in_the_media",
		"the_major_ict-related_incident_has_resulted_in_repetitive_complaints_from_different_clients_or_financial_counterparts_on_client-facing_services_or_critical_business_relationships",
		"the_financial_entity_will_not_be_able_to_or_is_likely_not_to_be_able_to_meet_regulatory_requirements_as_a_result_of_the_major_ict-related_incident",
		"the_financial_entity_will_or_is_likely_to_lose_clients_or_financial_counterparts_with_a_material_impact_on_its_business_as_a_result_of_the_major_ict-related_incident"}},
	"causes.detailed": {"list J of 2025/302", []string{
		"malicious_actions_deliberate_internal_actions", "malicious_actions_deliberate_physical_damage_manipulation_theft", "malicious_actions_fraudulent_actions",
		"process_failure_insufficient_monitoring_or_failure_of_monitoring_and_control", "process_failure_insufficient_unclear_roles_and_responsibilities",
		"process_failure_ICT_risk_management_process_failure", "process_failure_insufficient_or_failure_of_ict_operations_and_ict_security_operations",
		"process_failure_insufficient_or_failure_of_ict_project_management", "process_failure_inadequacy_of_internal_policies_procedures_and_documentation",
		"process_failure_inadequate_ict_systems_acquisition_development_and_maintenance", "process_failure_other",
		"system_failure_hardware_capacity_and_performance", "system_failure_hardware_maintenance", "system_failure_hardware_obsolescence_ageing",
		"system_failure_software_compatibility_configuration", "system_failure_software_performance", "system_failure_network_configuration",
		"system_failure_physical_damage", "system_failure_other",
		"human_error_omission", "human_error_mistake", "human_error_skills_knowledge", "human_error_inadequate_human_resources", "human_error_miscommunication", "human_error_other",
		"external_event_natural_disasters_force_majeure", "external_event_third-party_failures", "external_event_other"}},
	"threat.criteria":   {"list B of 2025/302", ListB},
	"threat.status":     {"states of a threat", []string{"active", "inactive"}},
	"causes.additional": {"list K of 2025/302", additional()},
}

// The criteria of list B of 2025/302, as reports name them.
const (
	CriterionClients    = "clients_financial_counterparts_and_transactions_affected"
	CriterionReputation = "reputational_impact"
	CriterionDuration   = "duration_and_service_downtime"
	CriterionSpread     = "geographical_spread"
	CriterionLosses     = "data_losses"
	CriterionCritical   = "critical_services_affected"
	CriterionEconomic   = "economic_impact"
)

// ListB are the criteria that make an incident major.
var ListB = []string{
	CriterionClients, CriterionReputation, CriterionDuration, CriterionSpread, CriterionLosses, CriterionCritical, CriterionEconomic,
}

var threeWay = ClosedList{"yes, no or unknown", []string{"yes", "no", "unknown"}}

var listA = ClosedList{"list A of 2025/302", []string{
	"credit_institution", "payment_institution", "exempted_payment_institution", "account_information_service_provider", "electronic_money_institution",
	"exempted_electronic_money_institution", "investment_firm", "crypto-asset_service_provider", "issuer_of_asset-referenced_tokens",
	"central_securities_depository", "central_counterparty", "trading_venue", "trade_repository", "manager_of_alternative_investment_fund",
	"management_company", "data_reporting_service_provider", "insurance_and_reinsurance_undertaking",
	"insurance_intermediary_reinsurance_intermediary_and_ancillary_insurance_intermediary", "institution_for_occupational_retirement_provision",
	"credit_rating_agency", "administrator_of_critical_benchmarks", "crowdfunding_service_provider", "securitisation_repository"}}

// under says below which value of list J a value of list K is allowed.
var under = map[string][]string{
	"process_failure_insufficient_monitoring_or_failure_of_monitoring_and_control": {"monitoring_of_policy_adherence", "monitoring_of_third-party_service_providers",
		"monitoring_and_verification_of_remediation_of_vulnerabilities", "identity_and_access_management", "encryption_and_cryptography", "logging"},
	"process_failure_ICT_risk_management_process_failure": {"failure_in_specifying_accurate_risk_tolerance_levels", "insufficient_vulnerability_and_threat_assessments",
		"inadequate_risk_treatment_measures", "poor_management_of_residual_ict_risks"},
	"process_failure_insufficient_or_failure_of_ict_operations_and_ict_security_operations": {"vulnerability_and_patch_management", "change_management",
		"capacity_and_performance_management", "ict_asset_management_and_information_classification", "backup_and_restore", "error_handling"},
	"process_failure_inadequate_ict_systems_acquisition_development_and_maintenance": {"inadequate_ict_systems_acquisition_development_and_maintenance",
		"insufficient_or_failure_of_software_testing"},
}

func additional() []string {
	var all []string
	for _, j := range []string{
		"process_failure_insufficient_monitoring_or_failure_of_monitoring_and_control", "process_failure_ICT_risk_management_process_failure",
		"process_failure_insufficient_or_failure_of_ict_operations_and_ict_security_operations", "process_failure_inadequate_ict_systems_acquisition_development_and_maintenance",
	} {
		all = append(all, under[j]...)
	}
	return all
}

// highOf says which value of list I a value of list J belongs to, by its
// beginning.
var highOf = []struct{ prefix, high string }{
	{"malicious_actions_", "malicious_actions"}, {"process_failure_", "process_failure"}, {"system_failure_", "system_failure_malfunction"},
	{"human_error_", "human_error"}, {"external_event_", "external_event"},
}

// Lists returns the closed list of a field; false for one that has none.
func Lists(path string) (ClosedList, bool) {
	l, ok := lists[path]
	return l, ok
}

// eea are the 30 states of the European Economic Area.
const eea = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK"

// HasAdditional reports whether a value of list J has values of list K below
// it.
func HasAdditional(detailed string) bool { return len(under[detailed]) > 0 }
