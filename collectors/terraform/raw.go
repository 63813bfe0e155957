package terraform

import (
	"bytes"
	"encoding/json"
	"slices"
)

// shape says what of an object may be kept: members by name; the elements of a
// list have the shape of the list. A shape without members is of a plain value: a
// text that is not long, a number, a truth or null.
type shape map[string]shape

var plain = shape{}

func plainOf(names ...string) shape {
	s := shape{}
	for _, n := range names {
		s[n] = plain
	}
	return s
}

// maxPlain is the longest text that is kept, in bytes.
const maxPlain = 512

// reduce builds what may be kept of an object's bytes, and says what was there
// beside it, as evidence.Draft.Removed wants it. Nothing is kept that the shape
// does not name, whatever it is called: a state's bytes hold addresses that are
// secrets, a run's hold values of variables.
func reduce(raw []byte, s shape) (kept []byte, removed []string) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, nil
	}
	out, ok := s.keep(v, "", &removed)
	if !ok {
		return nil, nil
	}
	slices.Sort(removed)
	b, err := json.Marshal(out)
	if err != nil {
		return nil, nil
	}
	if len(removed) == 0 {
		return b, nil
	}
	return b, append([]string{agent}, slices.Compact(removed)...)
}

// keep returns what of a value may stay; false when nothing may.
func (s shape) keep(v any, at string, removed *[]string) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		if len(s) == 0 {
			break
		}
		out := map[string]any{}
		for name, x := range v {
			sub, ok := s[name]
			if !ok {
				// Its name is not told either: it may be a value.
				if !known[name] {
					name = "*"
				}
				*removed = append(*removed, at+"/"+name)
				continue
			}
			if x, ok = sub.keep(x, at+"/"+name, removed); ok {
				out[name] = x
			}
		}
		return out, true
	case []any:
		out := []any{}
		for _, x := range v {
			if x, ok := s.keep(x, at, removed); ok {
				out = append(out, x)
			}
		}
		return out, true
	case string:
		if len(s) == 0 && len(v) <= maxPlain {
			return v, true
		}
	default:
		if len(s) == 0 || v == nil {
			return v, true
		}
	}
	*removed = append(*removed, at)
	return nil, false
}

// known are names of members that are left out and may be told: they are the
// API's own.
var known = func() map[string]bool {
	m := map[string]bool{}
	for _, n := range []string{
		"message", "variables", "actions", "permissions", "links", "target-addrs", "replace-addrs", "invoke-action-addrs", "policy-paths",
		"hosted-state-download-url", "hosted-json-state-download-url", "hosted-state-upload-url", "hosted-json-state-upload-url",
		"sanitized-state-download-url", "sanitized-state-upload-url", "encrypted-state-download-url", "vcs-commit-url", "modules", "providers", "outputs",
		"description", "setting-overwrites", "webhook-url", "oauth-token-id", "github-app-installation-id", "source-url", "source-name", "meta", "log-read-url",
	} {
		m[n] = true
	}
	return m
}()

// named is the shape of relationships: which objects, and no addresses.
func named(names ...string) shape {
	s := shape{}
	for _, n := range names {
		s[n] = shape{"data": plainOf("id", "type")}
	}
	return s
}

var (
	runShape = shape{
		"id": plain, "type": plain,
		"attributes": {
			"allow-empty-apply": plain, "auto-apply": plain, "canceled-at": plain, "created-at": plain, "force-cancel-available-at": plain,
			"has-changes": plain, "is-destroy": plain, "plan-only": plain, "position-in-queue": plain, "refresh": plain, "refresh-only": plain,
			"save-plan": plain, "source": plain, "status": plain, "terraform-version": plain, "trigger-reason": plain,
			"status-timestamps": plainOf(timestamps...),
		},
		"relationships": named("apply", "configuration-version", "cost-estimate", "created-by", "confirmed-by", "plan", "policy-checks", "run-events", "task-stages", "tf-policy-evaluations", "workspace", "input-state-version"),
	}
	stateShape = shape{
		"id": plain, "type": plain,
		"attributes": {
			"created-at": plain, "intermediate": plain, "resources-processed": plain, "serial": plain, "size": plain, "state-version": plain, "status": plain,
			"terraform-version": plain, "vcs-commit-sha": plain,
		},
		"relationships": named("run", "created-by", "workspace"),
	}
	workspaceShape = shape{
		"id": plain, "type": plain,
		"attributes": {
			"allow-destroy-plan": plain, "assessments-enabled": plain, "auto-apply": plain, "auto-apply-run-trigger": plain, "created-at": plain,
			"execution-mode": plain, "file-triggers-enabled": plain, "global-remote-state": plain, "project-remote-state": plain, "locked": plain, "name": plain, "operations": plain,
			"queue-all-runs": plain, "resource-count": plain, "source": plain, "speculative-enabled": plain, "terraform-version": plain,
			"updated-at": plain, "working-directory": plain, "vcs-repo": plainOf("branch", "identifier", "display-identifier", "service-provider", "tags-regex"),
		},
		"relationships": named("project", "organization", "agent-pool", "current-run", "current-state-version", "locked-by"),
	}
	auditShape = shape{
		"id": plain, "version": plain, "type": plain, "timestamp": plain,
		"auth":     plainOf("accessor_id", "description", "type", "impersonator_id", "organization_id"),
		"request":  plainOf("id"),
		"resource": plainOf("id", "type", "action"),
	}
)

// timestamps are the moments of a run that the API tells, by the status that it
// then came to.
var timestamps = []string{
	"applied-at", "apply-queued-at", "applying-at", "assessed-at", "canceled-at", "confirmed-at", "cost-estimated-at", "cost-estimating-at", "discarded-at", "errored-at",
	"fetched-at", "fetching-at", "force-canceled-at", "pending-at", "plan-queueable-at", "plan-queued-at", "planned-and-finished-at", "planned-and-saved-at",
	"planned-at", "planning-at", "policy-checked-at", "policy-soft-failed-at", "post-apply-completed-at", "post-apply-running-at", "post-plan-completed-at",
	"post-plan-running-at", "pre-apply-completed-at", "pre-apply-running-at", "pre-plan-completed-at", "pre-plan-running-at", "queuing-at", "queuing-apply-at", "tf-policy-checked-at", "tf-policy-override-at",
}
