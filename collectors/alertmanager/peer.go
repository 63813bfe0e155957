package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"time"

	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// peer is one Alertmanager.
type peer struct {
	name string // host and port
	http *fetch.Client
}

// maxBody is the largest answer: some 80,000 alerts.
const maxBody = 128 << 20

func newPeer(address string, cfg *Config, o fetch.Options) (*peer, error) {
	o.Key = "urls"
	o.BaseURL, o.CAFile, o.Timeout, o.CacheBytes = address, cfg.CAFile, cfg.Timeout, -1
	if o.MaxBody == 0 {
		o.MaxBody = maxBody
	}
	o.Header = fetch.FileHeader(cfg.User, cfg.TokenFile)
	c, err := fetch.New(o)
	if err != nil {
		return nil, err
	}
	return &peer{c.Base().Host, c}, nil
}

// status is what is read of /api/v2/status. The configuration in the same answer
// may hold credentials: it is not decoded.
type status struct {
	Began   time.Time
	Version string
	Members int // of the cluster; 0 when it is none
}

func (p *peer) status(ctx context.Context) (*status, error) {
	r, err := p.http.Get(ctx, "api/v2/status", nil)
	if err != nil {
		return nil, err
	}
	var v struct {
		Uptime  *loose          `json:"uptime"` // when it began
		Version json.RawMessage `json:"versionInfo"`
		Cluster json.RawMessage `json:"cluster"`
	}
	if err := json.Unmarshal(r.Body, &v); err != nil || v.Uptime == nil || v.Uptime.IsZero() {
		return nil, odd(r.URL, "says not when it began")
	}
	s := &status{Began: v.Uptime.Time}
	var version struct {
		Version string `json:"version"`
	}
	var cluster struct {
		Peers []json.RawMessage `json:"peers"`
	}
	// Neither decides anything: what cannot be read is left out.
	if json.Unmarshal(v.Version, &version) == nil {
		s.Version = Short(version.Version)
	}
	if json.Unmarshal(v.Cluster, &cluster) == nil {
		s.Members = len(cluster.Peers)
	}
	return s, nil
}

// list reads a list, item by item. A list is a JSON array and nothing else: null,
// an object with an error in it or a page for people is no empty list.
func (p *peer) list(ctx context.Context, path string) ([]json.RawMessage, evidence.Request, error) {
	r, err := p.http.Get(ctx, path, nil)
	if err != nil {
		return nil, evidence.Request{}, err
	}
	var items []json.RawMessage
	if b := bytes.TrimLeft(r.Body, " \t\r\n"); len(b) == 0 || b[0] != '[' || json.Unmarshal(b, &items) != nil {
		return nil, evidence.Request{}, odd(r.URL, "is no list")
	}
	return items, evidence.Request{Method: http.MethodGet, URL: r.URL, Response: r.SHA256, Agent: agent}, nil
}

func odd(address, what string) error {
	return problem.New(problem.Source, "the answer of %s %s", address, what).
		WithHint("check that the address is that of an Alertmanager 0.16 or later, without /api, and not of a web page or a login proxy")
}

// loose is a time that may be anything in the source's answer; zero when it is
// none.
type loose struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (l *loose) UnmarshalJSON(b []byte) error {
	var s string
	l.Time = time.Time{}
	if json.Unmarshal(b, &s) != nil {
		return nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil && t.Year() > 1 && t.Year() < 9999 {
		l.Time = t.UTC()
	}
	return nil
}

// apiAlert is an alert as the API lists it.
type apiAlert struct {
	Fingerprint string
	Labels      map[string]string
	Starts      time.Time
	State       string
	Silenced    []string
	Inhibited   []string
	Muted       []string
}

var hexPrint = regexp.MustCompile(`^[0-9a-f]{16}$`)

// printOf is our own fingerprint of an alert, for one without any.
func printOf(labels map[string]string) string {
	text, _ := json.Marshal(labels) // in order of the names
	return "~" + hashOf(string(text))[:32]
}

// parseAlert reads an alert. Labels say what it is and whose: without them it is
// none. Of the rest, what is of another form than the API describes is left out.
func parseAlert(b []byte) (*apiAlert, bool) {
	var v struct {
		Labels      map[string]string `json:"labels"`
		Fingerprint json.RawMessage   `json:"fingerprint"`
		Starts      loose             `json:"startsAt"`
		Status      json.RawMessage   `json:"status"`
	}
	if json.Unmarshal(b, &v) != nil || len(v.Labels) == 0 {
		return nil, false
	}
	a := &apiAlert{Labels: v.Labels, Starts: v.Starts.Time}
	if json.Unmarshal(v.Fingerprint, &a.Fingerprint) != nil || !hexPrint.MatchString(a.Fingerprint) {
		a.Fingerprint = printOf(v.Labels)
	}
	var st struct {
		State     string   `json:"state"`
		Silenced  []string `json:"silencedBy"`
		Inhibited []string `json:"inhibitedBy"`
		Muted     []string `json:"mutedBy"`
	}
	if json.Unmarshal(v.Status, &st) == nil {
		a.State, a.Silenced, a.Inhibited, a.Muted = st.State, st.Silenced, st.Inhibited, st.Muted
	}
	return a, true
}

// apiSilence is a silence as the API lists it.
type apiSilence struct {
	ID       string
	Matchers []matcher
	Starts   time.Time
	Ends     time.Time
	Updated  time.Time
	Author   string
	Comment  string
	Expired  bool
}

type matcher struct {
	Name  string
	Value string
	Regex bool
	Equal bool
}

func (m matcher) op() string {
	switch {
	case m.Regex && m.Equal:
		return "=~"
	case m.Regex:
		return "!~"
	case m.Equal:
		return "="
	}
	return "!="
}

// apiMatcher is a condition as the API lists it.
type apiMatcher struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Regex bool   `json:"isRegex"`
	Equal *bool  `json:"isEqual"` // before 0.22 there was no other
}

// parseSilence reads a silence; false for one of which it is not clear what it
// hides and when. One with no condition, which some releases list as null, may
// hide anything.
func parseSilence(b []byte) (*apiSilence, bool) {
	var v struct {
		ID       string          `json:"id"`
		Matchers json.RawMessage `json:"matchers"`
		Starts   loose           `json:"startsAt"`
		Ends     loose           `json:"endsAt"`
		Updated  loose           `json:"updatedAt"`
		Author   json.RawMessage `json:"createdBy"`
		Comment  json.RawMessage `json:"comment"`
		Status   json.RawMessage `json:"status"`
	}
	var matchers []apiMatcher
	if json.Unmarshal(b, &v) != nil || v.ID == "" || len(v.ID) > maxValue || json.Unmarshal(v.Matchers, &matchers) != nil || v.Starts.IsZero() || v.Ends.IsZero() {
		return nil, false
	}
	s := &apiSilence{ID: v.ID, Starts: v.Starts.Time, Ends: v.Ends.Time, Updated: v.Updated.Time}
	for _, m := range matchers {
		s.Matchers = append(s.Matchers, matcher{m.Name, m.Value, m.Regex, m.Equal == nil || *m.Equal})
	}
	var st struct {
		State string `json:"state"`
	}
	_ = json.Unmarshal(v.Author, &s.Author)
	_ = json.Unmarshal(v.Comment, &s.Comment)
	s.Expired = json.Unmarshal(v.Status, &st) == nil && st.State == "expired"
	return s, true
}
