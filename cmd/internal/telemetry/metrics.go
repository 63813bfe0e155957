// Package telemetry is what operators watch: metrics, log lines and the
// health endpoints. None of it is evidence, and none of it carries names of
// people or content: metric labels are tenant, source, kind and outcome, all
// from the configuration or from fixed lists.
package telemetry

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"evidenced/evidence"
)

// Labels are the labels of a metric; empty ones are left out. There are no
// others, so nothing from outside can become a label's name, and the number of
// series is bounded by the configuration.
type Labels struct {
	Tenant  evidence.Tenant
	Source  evidence.SourceID
	Kind    evidence.Kind
	Outcome string // from a fixed list of the caller
	Anchor  string // name of a configured anchor

	Control     evidence.ControlID // of the catalog
	Severity    string             // from a fixed list of the caller
	Destination string             // name of a configured destination of alerts
}

// Metrics is a set of metrics of its own. All methods may be called by several
// goroutines.
type Metrics struct{ set *metrics.Set }

// NewMetrics makes an empty set.
func NewMetrics() *Metrics { return &Metrics{metrics.NewSet()} }

var metricName = regexp.MustCompile(`^evidenced_[a-z0-9_]+$`)

// series renders name and labels. A bad name is a programmer's mistake.
func series(name string, l Labels, more ...string) string {
	if !metricName.MatchString(name) {
		panic("telemetry: bad metric name " + name)
	}
	tenant := ""
	if !l.Tenant.IsZero() {
		tenant = l.Tenant.String()
	}
	var parts []string
	for _, p := range []struct{ key, value string }{
		{"tenant", tenant}, {"source", string(l.Source)}, {"kind", string(l.Kind)}, {"outcome", l.Outcome}, {"anchor", l.Anchor},
		{"control", string(l.Control)}, {"severity", l.Severity}, {"destination", l.Destination},
	} {
		if p.value != "" {
			parts = append(parts, p.key+`="`+escape(p.value)+`"`)
		}
	}
	parts = append(parts, more...)
	if len(parts) == 0 {
		return name
	}
	return name + "{" + strings.Join(parts, ",") + "}"
}

// escape makes a label value as the exposition format has it. Control bytes
// and what is no UTF-8 become a question mark: the library would panic or the
// scraper would refuse the page.
func escape(v string) string {
	var b strings.Builder
	for _, r := range v {
		switch {
		case r == '\\' || r == '"':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r < ' ' || r == 0x7f || r == 0xfffd:
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Add adds n to a counter; its name ends in _total.
func (m *Metrics) Add(name string, l Labels, n int) {
	if !strings.HasSuffix(name, "_total") {
		panic("telemetry: counter " + name + " does not end in _total")
	}
	if n > 0 {
		m.set.GetOrCreateCounter(series(name, l)).Add(n)
	}
}

// Set sets a gauge.
func (m *Metrics) Set(name string, l Labels, v float64) {
	m.set.GetOrCreateGauge(series(name, l), nil).Set(v)
}

// Drop takes a gauge away.
func (m *Metrics) Drop(name string, l Labels) { m.set.UnregisterMetric(series(name, l)) }

// Time sets a gauge to a time in Unix seconds; its name ends in
// _timestamp_seconds.
func (m *Metrics) Time(name string, l Labels, t time.Time) {
	if !strings.HasSuffix(name, "_timestamp_seconds") {
		panic("telemetry: time " + name + " does not end in _timestamp_seconds")
	}
	m.Set(name, l, float64(t.UnixMilli())/1000)
}

// Func makes a gauge that is asked at each scrape. A second call with the same
// name and labels is without effect.
func (m *Metrics) Func(name string, l Labels, f func() float64) {
	m.set.GetOrCreateGauge(series(name, l), f)
}

// bounds are the upper bounds of duration buckets, in seconds.
var bounds = []float64{0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800}

// Observe adds a duration to a histogram; its name ends in _seconds. The
// library's own histograms have buckets that plain Prometheus cannot read, so
// these are made of counters.
func (m *Metrics) Observe(name string, l Labels, d time.Duration) {
	if !strings.HasSuffix(name, "_seconds") {
		panic("telemetry: duration " + name + " does not end in _seconds")
	}
	first, _ := slices.BinarySearch(bounds, d.Seconds())
	for i, bound := range bounds {
		c := m.set.GetOrCreateCounter(series(name+"_bucket", l, fmt.Sprintf(`le="%g"`, bound)))
		if i >= first {
			c.Inc()
		}
	}
	m.set.GetOrCreateCounter(series(name+"_bucket", l, `le="+Inf"`)).Inc()
	m.set.GetOrCreateCounter(series(name+"_count", l)).Inc()
	m.set.GetOrCreateFloatCounter(series(name+"_sum", l)).Add(d.Seconds())
}

// Write writes the set and the process's own metrics in the Prometheus text
// format.
func (m *Metrics) Write(w io.Writer) {
	m.set.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
}
