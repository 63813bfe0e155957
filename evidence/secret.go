package evidence

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a value that must never be shown: it prints as <secret> under
// every verb, in JSON and in slog. Reveal is the only way to the bytes, so a
// search for it finds every place that uses one.
//
// The bytes stand behind a pointer because fmt calls no method of a value that
// it reaches through an unexported field, or under %p: there an address shows.
type Secret struct{ s *string }

// NewSecret wraps s; the empty string makes the zero value.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{&s}
}

// Reveal returns the secret itself.
func (s Secret) Reveal() string {
	if s.s == nil {
		return ""
	}
	return *s.s
}

// IsZero reports whether no secret is set.
func (s Secret) IsZero() bool { return s.s == nil }

const hidden = "<secret>"

// String returns <secret>.
func (s Secret) String() string { return hidden }

// Format implements fmt.Formatter: every verb prints <secret>, also those, such
// as %d, that do not ask String.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// GoString returns <secret>.
func (s Secret) GoString() string { return hidden }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
