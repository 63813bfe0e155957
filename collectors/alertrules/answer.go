package alertrules

import (
	"bytes"
	"encoding/json"
	"math"
	"time"

	"evidenced/collectors"
	"evidenced/evidence/problem"
)

// apiGroup is a group of rules. What the API describes and has another form is
// left out, but for names, labels and rules.
type apiGroup struct {
	Name     string
	File     string
	Interval time.Duration
	Labels   map[string]string // vmalert: of every rule
	Rules    []json.RawMessage
}

// apiRule is a rule as the API lists it.
type apiRule struct {
	Name       string
	Type       string
	Query      string
	Labels     map[string]string
	Health     string
	State      string
	Evaluated  time.Time // zero: never, or not said
	For        float64
	KeepFiring float64
	Series     *int // vmalert: that the expression read at the last evaluation
}

// hint stands with every answer that cannot be read.
const hint = "check that url is the address of a Prometheus or vmalert, without /api, and not of a web page or a login proxy"

// parseAnswer reads the envelope: its groups, item by item. An envelope that
// speaks of an error, or of more than it holds, is no list.
func parseAnswer(body []byte) ([]json.RawMessage, error) {
	var v struct {
		Status    string `json:"status"`
		ErrorType string `json:"errorType"`
		Partial   bool   `json:"isPartial"`
		Data      *struct {
			Groups     json.RawMessage `json:"groups"`
			NextToken  string          `json:"groupNextToken"`
			TotalPages int             `json:"total_pages"`
		} `json:"data"`
		TotalPages int               `json:"total_pages"`
		Warnings   []json.RawMessage `json:"warnings"` // of a server that asks others: some did not answer
	}
	if err := json.Unmarshal(body, &v); err != nil || v.Status == "" {
		return nil, problem.New(problem.Source, "the answer is not what the rules API describes").WithHint(hint)
	}
	var groups []json.RawMessage
	switch {
	case v.Status != "success":
		// The error itself may quote anything.
		return nil, problem.New(problem.Source, "the server answers with status %q, error type %q", word(v.Status), word(v.ErrorType)).
			WithHint("look into the server's own log")
	case v.Data == nil || !isList(v.Data.Groups) || json.Unmarshal(v.Data.Groups, &groups) != nil:
		return nil, problem.New(problem.Source, "the answer holds no list of groups").WithHint(hint)
	case v.Partial || v.Data.NextToken != "" || v.Data.TotalPages > 1 || v.TotalPages > 1 || len(v.Warnings) > 0:
		return nil, problem.New(problem.Source, "the server gave a part of its rules only").
			WithHint("ask the server itself, not a proxy that pages or merges")
	}
	return groups, nil
}

// isList tells a JSON array from null, which decodes into an empty list too.
func isList(b []byte) bool {
	b = bytes.TrimSpace(b)
	return len(b) > 0 && b[0] == '['
}

// word cuts what a server calls something.
func word(s string) string {
	s = collectors.WithoutCredentials(s) // half of one would not be known as such
	return s[:min(len(s), 32)]
}

// parseGroup reads a group; false for one whose rules, or labels, which say whose
// they are, cannot be told. Some servers list the rules of a group that has none as
// null.
func parseGroup(b []byte) (*apiGroup, bool) {
	var v struct {
		Name     string            `json:"name"`
		Labels   map[string]string `json:"labels"`
		File     json.RawMessage   `json:"file"`
		Interval json.RawMessage   `json:"interval"`
		Rules    json.RawMessage   `json:"rules"`
	}
	if json.Unmarshal(b, &v) != nil || v.Name == "" || !isList(v.Rules) && string(v.Rules) != "null" {
		return nil, false
	}
	g := &apiGroup{Name: v.Name, Labels: v.Labels, Interval: seconds(number(v.Interval))}
	_ = json.Unmarshal(v.File, &g.File)
	return g, json.Unmarshal(v.Rules, &g.Rules) == nil
}

// parseRule reads a rule; false for one without a name, or whose labels, which
// say whose it is, cannot be told.
func parseRule(b []byte) (*apiRule, bool) {
	var v struct {
		Name      string            `json:"name"`
		Labels    map[string]string `json:"labels"`
		Type      json.RawMessage   `json:"type"`
		Query     json.RawMessage   `json:"query"`
		Health    json.RawMessage   `json:"health"`
		State     json.RawMessage   `json:"state"`
		Evaluated json.RawMessage   `json:"lastEvaluation"`
		For       json.RawMessage   `json:"duration"`
		Keep      json.RawMessage   `json:"keepFiringFor"`
		KeepOld   json.RawMessage   `json:"keep_firing_for"` // vmalert
		Series    json.RawMessage   `json:"lastSeriesFetched"`
	}
	if json.Unmarshal(b, &v) != nil || v.Name == "" {
		return nil, false
	}
	r := &apiRule{Name: v.Name, Labels: v.Labels, For: number(v.For), KeepFiring: max(number(v.Keep), number(v.KeepOld))}
	_ = json.Unmarshal(v.Query, &r.Query)
	r.Type = oneOf(v.Type, "alerting", "recording")
	r.Health = oneOf(v.Health, "ok", "err", "unknown")
	r.State = oneOf(v.State, "inactive", "pending", "firing")
	var at string
	if json.Unmarshal(v.Evaluated, &at) == nil {
		if t, err := time.Parse(time.RFC3339Nano, at); err == nil && t.Year() > 1970 && t.Year() < 9999 {
			r.Evaluated = t.UTC()
		}
	}
	if json.Unmarshal(v.Series, &r.Series) != nil {
		r.Series = nil
	}
	return r, true
}

// oneOf returns the word when it is one of those known; else "".
func oneOf(b json.RawMessage, words ...string) string {
	var s string
	if json.Unmarshal(b, &s) == nil {
		for _, w := range words {
			if s == w {
				return s
			}
		}
	}
	return ""
}

// number reads a number that facts can hold; 0 for none.
func number(b json.RawMessage) float64 {
	var x float64
	if json.Unmarshal(b, &x) != nil || math.IsNaN(x) || x < 0 || x > 1e9 {
		return 0
	}
	return x
}

func seconds(x float64) time.Duration { return time.Duration(x * float64(time.Second)) }
