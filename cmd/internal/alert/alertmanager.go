package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"evidenced/collectors/fetch"
	"evidenced/evidence"
)

// Alertmanager is Prometheus' Alertmanager, or whatever takes its API.
//
// It forgets: an alert that is not sent again is resolved at its end. So all
// that fires goes there again and again with an end some turns ahead, and an
// alert of the same labels is the same alert to it, also after a restart of
// either side. A heartbeat fires always; a receiver that misses it knows that
// nothing else would arrive either.
//
// POST /api/v2/alerts, https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
type Alertmanager struct {
	client *fetch.Client
	ends   time.Duration // after the message
}

// NewAlertmanager makes the destination. An alert that is not repeated for
// four turns is resolved there.
func NewAlertmanager(client *fetch.Client, every time.Duration) *Alertmanager {
	return &Alertmanager{client, 4 * every}
}

type amAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

// atOnce is how many alerts go in one request.
const atOnce = 500

// Send implements Destination.
func (a *Alertmanager) Send(ctx context.Context, m Message) error {
	list := []amAlert{{
		Labels:      map[string]string{"alertname": HeartbeatName, "severity": "none"},
		Annotations: map[string]string{"summary": "evidenced is at work; this alert fires always"},
		StartsAt:    m.At.Truncate(24 * time.Hour), EndsAt: m.At.Add(a.ends),
	}}
	for i := range m.Firing {
		list = append(list, toAlertmanager(&m.Firing[i], m.At.Add(a.ends)))
	}
	for i := range m.Changed {
		if c := &m.Changed[i]; c.State == Resolved {
			list = append(list, toAlertmanager(c, c.Ended))
		}
	}
	for len(list) > 0 {
		n := min(atOnce, len(list))
		if err := post(ctx, a.client, "api/v2/alerts", list[:n], nil); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

func toAlertmanager(a *Alert, end time.Time) amAlert {
	c := a.Cause
	labels := map[string]string{"alertname": c.Name, "severity": string(a.Severity), "cause": a.ID}
	for name, v := range map[string]string{"source": string(c.Source), "kind": string(c.Kind), "reason": string(c.Reason), "test": c.Test} {
		if v != "" {
			labels[name] = v
		}
	}
	if !c.Tenant.IsZero() {
		labels["tenant"] = c.Tenant.String()
	}
	return amAlert{
		Labels: labels,
		Annotations: map[string]string{
			"summary": a.Says, "tenants": tenantList(a.Tenants), "controls": controlList(a.Controls),
			"what_next": next(a),
		},
		StartsAt: a.Since, EndsAt: end,
	}
}

// next says what to do first.
func next(a *Alert) string {
	switch {
	case a.Cause.Name == DueSoon:
		return "evidenced incident clock --tenant " + a.Cause.Tenant.String()
	case a.Cause.Name == RemedyDue:
		return "evidenced remedy list --tenant " + a.Cause.Tenant.String()
	case a.Cause.Source != "":
		return "evidenced doctor " + string(a.Cause.Source)
	case !a.Cause.Tenant.IsZero():
		return "evidenced gaps --tenant " + a.Cause.Tenant.String()
	}
	return "evidenced gaps"
}

// listed is how many names stand in one annotation.
const listed = 50

func tenantList(ts []evidence.Tenant) string {
	var names []string
	for _, t := range ts {
		names = append(names, t.String())
	}
	return cutList(names)
}

func controlList(cs []evidence.ControlID) string {
	var names []string
	for _, c := range cs {
		names = append(names, string(c))
	}
	return cutList(names)
}

func cutList(names []string) string {
	if n := len(names); n > listed {
		return strings.Join(names[:listed], ", ") + fmt.Sprintf(" and %d more", n-listed)
	}
	return strings.Join(names, ", ")
}

// post sends v as JSON and takes any 2xx for taken. sign may add headers that
// depend on the body.
func post(ctx context.Context, client *fetch.Client, path string, v any, sign func(body []byte, h http.Header) error) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	u, err := client.URL(path, nil)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if sign != nil {
		if err := sign(body, req.Header); err != nil {
			return err
		}
	}
	resp, err := client.HTTP().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	// The connection is used again only when the answer was read.
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fetch.StatusProblem(http.MethodPost, u, resp.StatusCode)
	}
	return nil
}
