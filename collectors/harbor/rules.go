package harbor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// The types of rules and of their runs.
const (
	ruleImmutability = "immutability"
	ruleRetention    = "retention"
	ruleReplication  = "replication"
	ruleScanAll      = "scan-all"
	ruleGC           = "garbage-collection"
	rulePurge        = "audit-purge"
	ruleWebhook      = "webhook"
	ruleScanner      = "scanner"
	ruleAuditLog     = "audit-log"
)

// rule hands over a rule. An empty project is the whole registry; more is what
// else it concerns.
func (s *settingsLook) rule(f *evidence.RegistryRuleFacts, req evidence.Request, raw []byte, more ...evidence.Ref) error {
	f.Registry = s.cfg.Registry
	if cut := bound(&f.Says, maxSays); cut > 0 {
		s.note("a rule of type %s has %d parts more than are kept", f.Type, cut)
	}
	scope := []evidence.Ref{s.hostRef()}
	if f.Project != "" {
		scope = []evidence.Ref{s.projectRef(f.Project)}
	}
	d := s.state(evidence.RegistryRule, s.ruleRef(f.Project, f.Type, f.ID), append(scope, more...), f, req)
	d.Raw = raw
	if f.Project == "" {
		d.Mentions = []evidence.Mention{s.mentionSpelled()}
	}
	return s.emit(d)
}

// mentionSpelled says whose the projects are that the words of a thing of the whole
// registry may spell: the filter {a,b}/** of a replication, the description of a
// robot.
func (s *settingsLook) mentionSpelled() evidence.Mention {
	var m evidence.Mention
	for _, p := range s.projects {
		m.Of = append(m.Of, []evidence.Ref{s.projectRef(p.Name)})
	}
	return m
}

// absent reports whether the registry says that it does not have a policy; for
// one that was deleted it answers 404 or 400, as the path goes.
func absent(err error) bool {
	return status(err) == http.StatusNotFound || status(err) == http.StatusBadRequest
}

func on(b bool) *bool { return &b }

// selector says which tags or repositories a rule is about.
type selector struct {
	Kind       string `json:"kind"`
	Decoration string `json:"decoration"`
	Pattern    string `json:"pattern"`
	Extras     string `json:"extras"`
}

// tagRule is a rule about tags: of immutability, or of retention.
type tagRule struct {
	ID       int64                 `json:"id"`
	Disabled bool                  `json:"disabled"`
	Action   string                `json:"action"`
	Template string                `json:"template"`
	Params   map[string]any        `json:"params"`
	Tags     []selector            `json:"tag_selectors"`
	Scopes   map[string][]selector `json:"scope_selectors"`
}

// Bounds on what facts list: a record beyond evidence.MaxContent would end the
// run, and who administers one project may write long lists.
const (
	maxSays  = 200       // parts of one rule
	maxLine  = 4 << 10   // bytes of one part
	maxBytes = 128 << 10 // bytes of one list, in JSON
)

// bound cuts a list to so many items and to maxBytes, and says how many went.
func bound[T any](list *[]T, items int) (cut int) {
	size := 0
	for i, it := range *list {
		size += len(forge.Encode(it)) + 1
		if i >= items || size > maxBytes {
			cut = len(*list) - i
			*list = (*list)[:i]
			break
		}
	}
	return cut
}

// says writes a rule on one line, in the registry's words.
func (t *tagRule) says() string {
	parts := []string{strings.TrimSpace(text(t.Action) + " " + text(t.Template))}
	for _, k := range slices.Sorted(maps.Keys(t.Params)) {
		parts = append(parts, text(fmt.Sprintf("%s=%v", k, t.Params[k])))
	}
	for _, k := range slices.Sorted(maps.Keys(t.Scopes)) {
		for _, sel := range t.Scopes[k] {
			parts = append(parts, text(k+" "+sel.Decoration+" "+sel.Pattern))
		}
	}
	for _, sel := range t.Tags {
		parts = append(parts, text(strings.TrimSpace("tags "+sel.Decoration+" "+sel.Pattern+" "+sel.Extras)))
	}
	if t.Disabled {
		parts = append(parts, "disabled")
	}
	line := strings.Join(parts, "; ")
	if len(line) > maxLine {
		line = strings.ToValidUTF8(line[:maxLine-3], "") + "..."
	}
	return line
}

func (s *settingsLook) immutability(p *project) error {
	return s.list("immutability rules of "+p.Name, projectPath(p.Name)+"/immutabletagrules", nil, func(a *answer, raw json.RawMessage) error {
		r := &tagRule{}
		if json.Unmarshal(raw, r) != nil || r.ID <= 0 {
			return a.oddItem("a rule of an unknown form")
		}
		return s.rule(&evidence.RegistryRuleFacts{
			Project: p.Name, Type: ruleImmutability, ID: number(r.ID), Enabled: on(!r.Disabled), Says: []string{r.says()},
		}, a.req, raw)
	})
}

// retention reads the retention policy that the project's settings name.
func (s *settingsLook) retention(p *project) error {
	if p.odd != nil {
		return p.odd // its settings may name one
	}
	id, err := strconv.ParseInt(string(p.Meta["retention_id"]), 10, 64)
	if err != nil || id <= 0 {
		return nil // none
	}
	var r struct {
		Algorithm string    `json:"algorithm"`
		Rules     []tagRule `json:"rules"`
		Trigger   struct {
			Kind     string         `json:"kind"`
			Settings map[string]any `json:"settings"`
		} `json:"trigger"`
	}
	a, err := s.read("retentions/"+number(id), nil, &r)
	if absent(err) {
		return nil // deleted since
	}
	if err != nil {
		return err
	}
	f := &evidence.RegistryRuleFacts{Project: p.Name, Type: ruleRetention, ID: number(id), Schedule: text(strings.TrimSpace(r.Trigger.Kind))}
	if cron, ok := r.Trigger.Settings["cron"].(string); ok && cron != "" {
		f.Schedule = text(r.Trigger.Kind + " " + cron)
	}
	enabled := false
	for i := range r.Rules {
		enabled = enabled || !r.Rules[i].Disabled
		f.Says = append(f.Says, r.Rules[i].says())
	}
	f.Enabled = on(enabled)
	return s.rule(f, a.req, a.body)
}

// webhooks reads where the registry tells of events. Addresses and headers of
// hooks are secrets: the host alone is kept.
func (s *settingsLook) webhooks(p *project) error {
	return s.list("webhooks of "+p.Name, projectPath(p.Name)+"/webhook/policies", nil, func(a *answer, raw json.RawMessage) error {
		var w struct {
			ID      int64    `json:"id"`
			Name    string   `json:"name"`
			Enabled bool     `json:"enabled"`
			Events  []string `json:"event_types"`
			Targets []struct {
				Type    string `json:"type"`
				Address string `json:"address"`
				Skip    bool   `json:"skip_cert_verify"`
			} `json:"targets"`
		}
		if json.Unmarshal(raw, &w) != nil || w.ID <= 0 {
			return a.oddItem("a webhook of an unknown form")
		}
		f := &evidence.RegistryRuleFacts{Project: p.Name, Type: ruleWebhook, ID: number(w.ID), Name: text(w.Name), Enabled: on(w.Enabled)}
		var hosts []string
		for _, t := range w.Targets {
			hosts = append(hosts, hostOf(t.Address))
			f.Says = append(f.Says, text(t.Type)+" to "+hostOf(t.Address))
			if t.Skip {
				f.Says = append(f.Says, "certificate of "+hostOf(t.Address)+" not checked")
			}
		}
		f.Target = text(strings.Join(hosts, " "))
		slices.Sort(w.Events)
		for _, e := range w.Events {
			f.Says = append(f.Says, "on "+text(e))
		}
		return s.rule(f, a.req, nil)
	})
}

// hostOf is the host and port of an address, and nothing else of it.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "unknown"
	}
	return text(u.Host)
}

// remote is the other side of a replication.
type remote struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
	URL  string `json:"url"`
}

// replication reads what is copied to or from other registries.
func (s *settingsLook) replication() error {
	return s.list("replication policies", "replication/policies", nil, func(a *answer, raw json.RawMessage) error {
		var r struct {
			ID        int64   `json:"id"`
			Name      string  `json:"name"`
			Enabled   bool    `json:"enabled"`
			From      *remote `json:"src_registry"`
			To        *remote `json:"dest_registry"`
			Namespace string  `json:"dest_namespace"`
			Trigger   *struct {
				Type     string `json:"type"`
				Settings *struct {
					Cron string `json:"cron"`
				} `json:"trigger_settings"`
			} `json:"trigger"`
			Filters []struct {
				Type       string `json:"type"`
				Value      any    `json:"value"`
				Decoration string `json:"decoration"`
			} `json:"filters"`
			Deletion *bool `json:"replicate_deletion"`
			Override bool  `json:"override"`
		}
		if json.Unmarshal(raw, &r) != nil || r.ID <= 0 {
			return a.oddItem("a replication policy of an unknown form")
		}
		f := &evidence.RegistryRuleFacts{Type: ruleReplication, ID: number(r.ID), Name: text(r.Name), Enabled: on(r.Enabled)}
		// The side that is this registry has no id.
		switch {
		case r.To != nil && r.To.ID > 0:
			f.Target = hostOf(r.To.URL)
			f.Says = append(f.Says, "push to "+text(r.To.Name)+" ("+text(r.To.Type)+")")
		case r.From != nil && r.From.ID > 0:
			f.Target = hostOf(r.From.URL)
			f.Says = append(f.Says, "pull from "+text(r.From.Name)+" ("+text(r.From.Type)+")")
		}
		if r.Namespace != "" {
			f.Says = append(f.Says, "into "+text(r.Namespace))
		}
		names := []string{"*"}
		for _, fl := range r.Filters {
			f.Says = append(f.Says, text(fmt.Sprintf("filter %s %s %v", fl.Type, fl.Decoration, fl.Value)))
			if v, ok := fl.Value.(string); ok && fl.Type == "name" {
				first, _, _ := strings.Cut(v, "/")
				names = []string{first}
				if strings.ContainsAny(first, "*?{[") {
					names = []string{"*"}
				}
			}
		}
		if r.To == nil || r.To.ID <= 0 {
			names = []string{r.Namespace} // what comes in concerns where it is put
		}
		if r.Deletion != nil && *r.Deletion {
			f.Says = append(f.Says, "deletions are copied")
		}
		if r.Override {
			f.Says = append(f.Says, "what is there is overwritten")
		}
		if r.Trigger != nil {
			f.Schedule = text(r.Trigger.Type)
			if r.Trigger.Settings != nil && r.Trigger.Settings.Cron != "" {
				f.Schedule += " " + text(r.Trigger.Settings.Cron)
			}
		}
		for _, n := range names {
			s.reach[r.ID] = append(s.reach[r.ID], s.projectsNamed(n, s.reach[r.ID])...)
		}
		return s.rule(f, a.req, nil, s.reach[r.ID]...)
	})
}

// wireJob is a job of the registry's own, and the form of its schedule.
type wireJob struct {
	ID         int64  `json:"id"`
	Kind       string `json:"job_kind"`
	Parameters string `json:"job_parameters"`
	Status     string `json:"job_status"`
	Created    string `json:"creation_time"`
	Updated    string `json:"update_time"`
	Schedule   *struct {
		Type string `json:"type"`
		Cron string `json:"cron"`
	} `json:"schedule"`
}

// schedules reads when the registry scans everything, collects garbage and
// purges its audit log.
func (s *settingsLook) schedules() error {
	var first error // one that cannot be read keeps none of the others from being read
	for _, sc := range []struct{ kind, path string }{
		{ruleScanAll, "system/scanAll/schedule"}, {ruleGC, "system/gc/schedule"}, {rulePurge, "system/purgeaudit/schedule"},
	} {
		if err := s.schedule(sc.kind, sc.path); err != nil {
			if forge.Ends(s.ctx, err) {
				return err
			}
			first = cmp.Or(first, err)
		}
	}
	return first
}

func (s *settingsLook) schedule(kind, path string) error {
	a, err := s.get(path, nil)
	if err != nil {
		return err
	}
	var j *wireJob
	if len(strings.TrimSpace(string(a.body))) > 0 { // nothing at all: never set
		if err := a.decode(&j); err != nil {
			return err
		}
	}
	f := &evidence.RegistryRuleFacts{Type: kind, ID: "schedule", Enabled: on(false)}
	if j != nil && j.Schedule != nil && j.Schedule.Type != "" && j.Schedule.Type != "None" {
		f.Enabled = on(true)
		f.Schedule = text(strings.TrimSpace(j.Schedule.Type + " " + j.Schedule.Cron))
		f.Says = parameters(j.Parameters)
	}
	return s.rule(f, a.req, nil)
}

// parameters lists a job's parameters, which are JSON in a string.
func parameters(s string) []string {
	var m map[string]any
	if json.Unmarshal([]byte(s), &m) != nil {
		return nil
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k == "redis_url_reg" {
			continue // an address with a password
		}
		out = append(out, text(fmt.Sprintf("%s=%v", k, m[k])))
	}
	return out
}

// scanners reads the scanners and how old their knowledge is.
func (s *settingsLook) scanners() error {
	var down error // of the first scanner that does not answer
	err := s.list("scanners", "scanners", nil, func(a *answer, raw json.RawMessage) error {
		var sc struct {
			UUID     string `json:"uuid"`
			Name     string `json:"name"`
			URL      string `json:"url"`
			Disabled bool   `json:"disabled"`
			Default  bool   `json:"is_default"`
			Skip     bool   `json:"skip_certVerify"`
		}
		if json.Unmarshal(raw, &sc) != nil || sc.UUID == "" {
			return a.oddItem("a scanner of an unknown form")
		}
		f := &evidence.RegistryRuleFacts{Type: ruleScanner, ID: text(sc.UUID), Name: text(sc.Name), Enabled: on(!sc.Disabled), Target: hostOf(sc.URL)}
		if sc.Default {
			f.Says = append(f.Says, "default")
		}
		if sc.Skip {
			f.Says = append(f.Says, "certificate not checked")
		}
		var meta struct {
			Scanner    *wireScanner      `json:"scanner"`
			Properties map[string]string `json:"properties"`
		}
		if !sc.Disabled {
			// The registry asks the scanner itself, which may be down or gone: what
			// was known of it stands, and those after it are read all the same.
			if _, err := s.read("scanners/"+url.PathEscape(sc.UUID)+"/metadata", nil, &meta); err != nil {
				if forge.Ends(s.ctx, err) {
					return err
				}
				down = cmp.Or(down, fmt.Errorf("scanner %s: %w", text(sc.Name), err))
				return nil
			}
		}
		if m := meta.Scanner; m != nil {
			f.Says = append(f.Says, text(m.Vendor+" "+m.Name+" "+m.Version))
		}
		if t := when(meta.Properties["harbor.scanner-adapter/vulnerability-database-updated-at"]); !t.IsZero() {
			f.Says = append(f.Says, "vulnerability database of "+evidence.FormatTime(t))
		}
		return s.rule(f, a.req, nil)
	})
	return cmp.Or(err, down)
}

// auditSettings reads whether the registry keeps its audit log where its API
// reads it. Administrators alone may; without that right it stays unknown.
func (s *settingsLook) auditSettings() error {
	var c struct {
		Skip    *item[bool]   `json:"skip_audit_log_database"`
		Forward *item[string] `json:"audit_log_forward_endpoint"`
		Hidden  *item[string] `json:"disabled_audit_log_event_types"`
	}
	a, err := s.read("configurations", nil, &c)
	if code := status(err); code == http.StatusForbidden || code == http.StatusNotFound || code == http.StatusPreconditionFailed {
		s.after = append(s.after, func() { s.cur.Kept = "" })
		return nil
	}
	if err != nil {
		return err
	}
	kept := "yes"
	f := &evidence.RegistryRuleFacts{Type: ruleAuditLog, ID: "settings", Enabled: on(true)}
	if c.Skip != nil && c.Skip.Value {
		kept, f.Enabled = "no", on(false)
		f.Says = append(f.Says, "not kept in the database")
	}
	if c.Forward != nil && c.Forward.Value != "" {
		f.Target = text(c.Forward.Value)
		f.Says = append(f.Says, "forwarded")
	}
	if c.Hidden != nil && c.Hidden.Value != "" {
		f.Says = append(f.Says, "hides "+text(c.Hidden.Value))
		s.note("the audit log hides kinds of events: %s", text(c.Hidden.Value))
	}
	s.after = append(s.after, func() { s.cur.Kept = kept })
	return s.rule(f, a.req, nil)
}

// item is one of the registry's settings.
type item[T any] struct {
	Value T `json:"value"`
}
