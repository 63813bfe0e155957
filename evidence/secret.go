package evidence

import "log/slog"

// Secret is a value that must never be shown: it prints as <secret> under
// every verb, in JSON and in slog. Reveal is the only way to the bytes, so a
// search for it finds every place that uses one.
type Secret struct{ s string }

// NewSecret wraps s.
func NewSecret(s string) Secret { return Secret{s} }

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return s.s }

// IsZero reports whether no secret is set.
func (s Secret) IsZero() bool { return s.s == "" }

const hidden = "<secret>"

// String returns <secret>.
func (s Secret) String() string { return hidden }

// GoString returns <secret>.
func (s Secret) GoString() string { return hidden }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
