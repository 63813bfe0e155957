package terraform

import (
	"maps"
	"slices"
	"strings"

	"evidenced/evidence"
)

// wirePolicy is what of a line about a policy's result is read: Terraform (1.16 and
// later) writes one each time that it holds a policy against a resource, a module or
// a provider. Which of these it was and what the policy said of it are not kept.
type wirePolicy struct {
	Result string `json:"result"`
	Target string `json:"target_address"`
	Policy struct {
		Set   string `json:"policy_set_name"`
		File  string `json:"file_name"`
		Name  string `json:"policy_name"`
		Level string `json:"enforcement_level"` // advisory, mandatory_overridable, mandatory
	} `json:"policy_metadata"`
}

// policyOn is a policy and what it was held against.
type policyOn struct{ set, file, name, target string }

// policyResults holds the newest word of each policy on each thing: what a plan
// cannot know yet, the apply judges anew.
type policyResults map[policyOn]policyResult

type policyResult struct{ result, level string }

func (r policyResults) take(p *wirePolicy) {
	r[policyOn{p.Policy.Set, p.Policy.File, p.Policy.Name, p.Target}] = policyResult{p.Result, p.Policy.Level}
}

// facts counts the results of each set of policies.
func (r policyResults) facts() []evidence.InfraPolicy {
	sets := map[string]*evidence.InfraPolicy{}
	open := map[string]bool{}
	for on, was := range r {
		p := sets[on.set]
		if p == nil {
			p = &evidence.InfraPolicy{ID: text(on.set), Form: "policy-result", Kind: "terraform"}
			sets[on.set] = p
		}
		switch {
		case was.result == "AllowResult":
			p.Passed++
		case was.result == "DenyResult" && was.level == "advisory":
			p.Advisory++
		case was.result == "DenyResult":
			p.Mandatory++
		case strings.HasSuffix(was.result, "ErrorResult"):
			p.Errored++
		default:
			open[on.set] = true // not known yet, or a word that we do not know
		}
	}
	var list []evidence.InfraPolicy
	for _, set := range slices.Sorted(maps.Keys(sets)) {
		p := sets[set]
		switch {
		case p.Errored > 0:
			p.Status = "errored"
		case p.Mandatory > 0:
			p.Status = "failed"
		case open[set]:
			p.Status = "unknown"
		default:
			p.Status = "passed"
		}
		list = append(list, *p)
	}
	return list
}
