package demo

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"evidenced/testdata/world"
)

// A Prometheus with its rules, and an Alertmanager with what fires by them and
// what is silenced. What fires follows from the platform's state.

// alertRule is a rule of the Prometheus.
type alertRule struct{ group, name, severity, query string }

var alertRules = []alertRule{
	{"shops", shopErrors, "critical", `sum by (tenant) (rate(http_requests_total{code=~"5.."}[5m])) > 1`},
	{"certificates", certificateOver, "critical", `probe_ssl_earliest_cert_expiry < time()`},
	{"backups", backupPartly, "warning", `velero_backup_last_status == 0`},
	{"delivery", deployerDown, "critical", `up{job="argocd"} == 0`},
}

const (
	shopErrors      = "ShopErrors"
	certificateOver = "CertificateOver"
	backupPartly    = "BackupPartlyFailed"
	deployerDown    = "DeployerDown"

	evaluatedEvery = 30 * time.Second
)

// firing is an alert as it fires.
type firing struct {
	name   string
	since  time.Time
	labels map[string]string
}

// firing lists what fires now; the lock is held.
func (p *Platform) firing() []firing {
	var out []firing
	for _, a := range p.argo.apps {
		if a.health == "Degraded" {
			out = append(out, firing{shopErrors, a.healthAt.Add(2 * time.Minute), map[string]string{"tenant": a.tenant, "service": a.app}})
		}
	}
	for _, e := range p.world.Endpoints {
		if end := p.tls.shown[e.Host].Leaf.NotAfter; end.Before(p.now) {
			out = append(out, firing{certificateOver, end.Add(evaluatedEvery), map[string]string{"tenant": e.Tenant, "service": e.Host}})
		}
	}
	for _, t := range p.world.Everybody() {
		if since := p.cluster.partlyBackedUp(t.Name); !since.IsZero() {
			out = append(out, firing{backupPartly, since.Add(evaluatedEvery), map[string]string{"tenant": t.Name, "service": "velero"}})
		}
	}
	if f := p.faults["argocd"]; f.Status != 0 {
		out = append(out, firing{deployerDown, f.At.Add(evaluatedEvery), map[string]string{"namespace": argoNamespace, "service": "argocd"}})
	}
	for i, f := range out {
		rule := alertRules[slices.IndexFunc(alertRules, func(r alertRule) bool { return r.name == f.name })]
		out[i].labels["alertname"], out[i].labels["severity"] = f.name, rule.severity
		if f.labels["tenant"] == "" {
			delete(f.labels, "tenant")
		}
	}
	return out
}

// partlyBackedUp returns since when each of a tenant's backups was only partly
// done; zero when the newest was whole.
func (c *cluster) partlyBackedUp(tenant string) (since time.Time) {
	for _, key := range sortedKeys(c.objects["backups.velero.io"]) {
		if !strings.HasPrefix(key, "velero/"+tenant+"-daily-") {
			continue
		}
		status := c.objects["backups.velero.io"][key]["status"].(kobject)
		if status["phase"] == "Completed" {
			since = time.Time{}
		} else if since.IsZero() {
			since, _ = time.Parse(time.RFC3339, status["completionTimestamp"].(string))
		}
	}
	return since
}

// silence hides an alert of a tenant for a while.
func (p *Platform) silence(a world.Act) error {
	p.silences = append(p.silences, a)
	return nil
}

func (p *Platform) alertmanagerHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v2/status", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{
			"cluster": map[string]any{"name": hash("alertmanager")[:26], "status": "ready", "peers": []any{map[string]string{"name": hash("alertmanager")[:26], "address": "127.0.0.1:9094"}}},
			"config":  map[string]string{"original": ""}, "uptime": p.world.Begun().Format(time.RFC3339Nano), "versionInfo": map[string]string{"version": "0.28.1"}})
	})
	mux.HandleFunc("GET /api/v2/alerts", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, p.shownAlerts()) })
	mux.HandleFunc("GET /api/v2/silences", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, p.shownSilences()) })
	return p.gate("alertmanager", anybody, nil, mux)
}

// anybody may ask: these servers know no credential of their own.
func anybody(*http.Request) bool { return true }

func (p *Platform) shownAlerts() []any {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := []any{}
	for _, f := range p.firing() {
		print := ""
		for _, k := range slices.Sorted(maps.Keys(f.labels)) {
			print += k + "=" + f.labels[k] + "\n"
		}
		by := []string{}
		for i, s := range p.silences {
			if s.Tenant == f.labels["tenant"] && s.Object == f.name && !p.now.Before(s.At) && p.now.Before(s.At.Add(s.Took)) {
				by = append(by, silenceID(i))
			}
		}
		state := "active"
		if len(by) > 0 {
			state = "suppressed"
		}
		out = append(out, map[string]any{"fingerprint": hash(print)[:16], "labels": f.labels, "annotations": map[string]string{},
			"startsAt": stamp(f.since), "updatedAt": stamp(p.now), "endsAt": stamp(p.now.Add(4 * time.Minute)), "generatorURL": "http://prometheus.platform.example/graph",
			"receivers": []any{map[string]string{"name": "oncall"}}, "status": map[string]any{"state": state, "silencedBy": by, "inhibitedBy": []string{}, "mutedBy": []string{}}})
	}
	return out
}

func silenceID(i int) string { return uuid("silence/" + itoa(i)) }

func (p *Platform) shownSilences() []any {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := []any{}
	matcher := func(name, value string) any {
		return map[string]any{"name": name, "value": value, "isRegex": false, "isEqual": true}
	}
	for i, s := range p.silences {
		end := s.At.Add(s.Took)
		if p.now.After(end.Add(5 * 24 * time.Hour)) { // kept for so long
			continue
		}
		state := "active"
		if !p.now.Before(end) {
			state = "expired"
		}
		by, _ := p.world.Person(s.By)
		out = append(out, map[string]any{"id": silenceID(i), "matchers": []any{matcher("alertname", s.Object), matcher("tenant", s.Tenant)},
			"startsAt": stamp(s.At), "updatedAt": stamp(s.At), "endsAt": stamp(end), "createdBy": cmp.Or(by.Email(), s.By), "comment": s.Title,
			"status": map[string]string{"state": state}})
	}
	return out
}

func (p *Platform) prometheusHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/rules", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"status": "success", "data": map[string]any{"groups": p.shownRules()}})
	})
	mux.HandleFunc("GET /api/v1/status/buildinfo", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"status": "success", "data": map[string]string{"version": "3.5.0"}})
	})
	return p.gate("prometheus", anybody, nil, mux)
}

func (p *Platform) shownRules() []any {
	p.mu.Lock()
	defer p.mu.Unlock()
	fires := map[string]bool{}
	for _, f := range p.firing() {
		fires[f.name] = true
	}
	out := []any{}
	at := p.now.Truncate(evaluatedEvery).Format(time.RFC3339Nano)
	for _, r := range alertRules {
		state := "inactive"
		if fires[r.name] {
			state = "firing"
		}
		out = append(out, map[string]any{"name": r.group, "file": "/etc/prometheus/rules/" + r.group + ".yaml", "interval": evaluatedEvery.Seconds(), "limit": 0,
			"evaluationTime": 0.0004, "lastEvaluation": at, "rules": []any{map[string]any{
				"type": "alerting", "name": r.name, "query": r.query, "duration": 0, "keepFiringFor": 0, "labels": map[string]string{"severity": r.severity},
				"annotations": map[string]string{}, "alerts": []any{}, "health": "ok", "state": state, "evaluationTime": 0.0002, "lastEvaluation": at}}})
	}
	return out
}
