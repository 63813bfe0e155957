package config

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// Alerts says who is told of verdicts that need somebody.
type Alerts struct {
	Hold    time.Duration `yaml:"hold"`    // what is not seen must stay so for so long
	Release time.Duration `yaml:"release"` // and what is over be over for so long
	Least   string        `yaml:"least"`   // low, medium, high: milder controls tell nobody
	To      []AlertTo     `yaml:"to"`
}

// AlertTo is one destination of alerts. Which keys a type takes stands in
// alertTypes.
type AlertTo struct {
	Name string `yaml:"name"`
	Type string `yaml:"type"` // alertmanager, webhook, smtp

	URL        string        `yaml:"url"`         // alertmanager, webhook
	Every      time.Duration `yaml:"every"`       // alertmanager: all that fires is told so often; webhook, smtp: the least time between two messages
	TokenFile  string        `yaml:"token_file"`  // alertmanager, webhook: a bearer token
	SecretFile string        `yaml:"secret_file"` // webhook: signs each message
	Heartbeat  time.Duration `yaml:"heartbeat"`   // webhook: a sign of life so often; 0: none
	CAFile     string        `yaml:"ca_file"`

	Address      string   `yaml:"address"`       // smtp: HOST:PORT
	TLS          string   `yaml:"tls"`           // smtp: starttls, tls, none
	From         string   `yaml:"from"`          // smtp
	Recipients   []string `yaml:"recipients"`    // smtp
	User         string   `yaml:"user"`          // smtp
	PasswordFile string   `yaml:"password_file"` // smtp
}

// alertTypes says which keys each type needs and takes.
var alertTypes = map[string]struct{ needs, takes []string }{
	"alertmanager": {[]string{"url"}, []string{"token_file", "ca_file"}},
	"webhook":      {[]string{"url", "secret_file"}, []string{"token_file", "ca_file", "heartbeat"}},
	"smtp":         {[]string{"address", "from", "recipients"}, []string{"tls", "user", "password_file", "ca_file"}},
}

// Bounds of times.
const (
	minAlertEvery = 5 * time.Second
	maxAlertEvery = time.Hour
	maxAlertWait  = 24 * time.Hour
)

func (k *checker) alerts() {
	a := &k.c.Alerts
	for _, f := range []struct {
		key   string
		value time.Duration
	}{{"hold", a.Hold}, {"release", a.Release}} {
		if f.value < 0 || f.value > maxAlertWait {
			k.no([]any{"alerts", f.key}, "alerts.%s: %s is not between 0s and %s", f.key, f.value, maxAlertWait)
		}
	}
	k.oneOf([]any{"alerts", "least"}, "alerts.least", a.Least, "low", "medium", "high")
	seen := map[string]int{}
	for i := range a.To {
		t := &a.To[i]
		at := []any{"alerts", "to", i}
		switch first, dup := seen[t.Name]; {
		case t.Name == "":
			k.no(at, "alerts.to[%d] has no name", i)
		case !evidence.SourceID(t.Name).Valid():
			k.no(append(at, "name"), "alerts.to name %q: want 1 to 63 of a-z, 0-9, / and -, such as mail/officer", t.Name)
		case dup:
			k.no(append(at, "name"), "alerts.to %s is there twice, first as alerts.to[%d]", t.Name, first)
		default:
			seen[t.Name] = i
		}
		k.alertTo(slices.Clip(at), t)
	}
}

func (k *checker) alertTo(at []any, t *AlertTo) {
	types := slices.Sorted(maps.Keys(alertTypes))
	typ, ok := alertTypes[t.Type]
	switch {
	case t.Type == "":
		k.no(at, "alerts.to %s has no type (known: %s)", t.Name, strings.Join(types, ", "))
		return
	case !ok:
		k.no(append(at, "type"), "alerts.to %s: unknown type %q (known: %s)%s", t.Name, t.Type, strings.Join(types, ", "), didYouMean(t.Type, types))
		return
	}
	n := find(k.root, at...)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i].Value; !slices.Contains(append([]string{"name", "type", "every"}, append(typ.needs, typ.takes...)...), key) {
			k.at(n.Content[i], "alerts.to %s: type %s has no key %q", t.Name, t.Type, key)
		}
	}
	for _, key := range typ.needs {
		if v := child(n, key); v == nil || v.Value == "" && len(v.Content) == 0 {
			k.no(at, "alerts.to %s has no %s", t.Name, key)
			return
		}
	}
	if t.Every == 0 {
		t.Every = time.Minute
	}
	if t.Every < minAlertEvery || t.Every > maxAlertEvery {
		k.no(append(at, "every"), "alerts.to %s: every: %s is not between %s and %s", t.Name, t.Every, minAlertEvery, maxAlertEvery)
	}
	if t.Heartbeat != 0 && (t.Heartbeat < minAlertEvery || t.Heartbeat > maxAlertWait) {
		k.no(append(at, "heartbeat"), "alerts.to %s: heartbeat: %s is not between %s and %s", t.Name, t.Heartbeat, minAlertEvery, maxAlertWait)
	}
	if t.Type == "smtp" {
		k.mailTo(at, t)
		return
	}
	if u, err := url.Parse(t.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		k.no(append(at, "url"), "alerts.to %s: url: want an http or https URL without user, query and fragment; a secret goes into token_file or secret_file", t.Name)
	}
}

func (k *checker) mailTo(at []any, t *AlertTo) {
	if t.TLS == "" {
		t.TLS = "starttls"
	}
	k.oneOf(append(at, "tls"), fmt.Sprintf("alerts.to %s: tls", t.Name), t.TLS, "starttls", "tls", "none")
	if _, _, err := net.SplitHostPort(t.Address); err != nil {
		k.no(append(at, "address"), "alerts.to %s: address: %q is not HOST:PORT", t.Name, t.Address)
	}
	if (t.User == "") != (t.PasswordFile == "") {
		k.no(at, "alerts.to %s: user and password_file go together", t.Name)
	}
	if t.TLS == "none" && t.PasswordFile != "" {
		k.no(append(at, "tls"), "alerts.to %s: tls: none would send the password in the clear", t.Name)
	}
}

// resolveAlerts makes paths absolute.
func (c *Config) resolveAlerts(base string) {
	for i := range c.Alerts.To {
		t := &c.Alerts.To[i]
		for _, p := range []*string{&t.TokenFile, &t.SecretFile, &t.CAFile, &t.PasswordFile} {
			*p = under(base, *p)
		}
	}
}

type effectiveAlerts struct {
	Hold    string            `json:"hold"`
	Release string            `json:"release"`
	Least   string            `json:"least"`
	To      map[string]string `json:"to"`
}

// effective names destinations by type and place. Addresses of people and what
// a URL's path may hold are left out.
func (a Alerts) effective() effectiveAlerts {
	e := effectiveAlerts{a.Hold.String(), a.Release.String(), a.Least, map[string]string{}}
	for _, t := range a.To {
		place := t.Address
		if u, err := url.Parse(t.URL); err == nil && t.URL != "" {
			place = u.Scheme + "://" + u.Host
		}
		e.To[t.Name] = t.Type + " " + place
	}
	return e
}

// alerts says what makes that fewer people hear of what the evidence shows.
func (l *loosener) alerts() {
	for _, name := range slices.Sorted(maps.Keys(l.old.Alerts.To)) {
		if _, ok := l.young.Alerts.To[name]; !ok {
			l.all("alerts no longer go to %s", name)
		}
	}
	ranks := []string{"low", "medium", "high"}
	if o, y := slices.Index(ranks, l.old.Alerts.Least), slices.Index(ranks, l.young.Alerts.Least); o >= 0 && y > o {
		l.all("nobody is alerted any more of controls of severity below %s", l.young.Alerts.Least)
	}
	if o, y := l.old.Alerts.Hold, l.young.Alerts.Hold; longer(o, y) {
		l.all("what is not seen is told after %s instead of %s", y, o)
	}
}
