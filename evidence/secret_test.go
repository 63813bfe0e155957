package evidence_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"evidenced/evidence"
)

const password = "correct-horse"

// hiding fails the test when the text shows the password, or its bytes in hex
// or decimal.
func hiding(t *testing.T, how, text string) {
	t.Helper()
	for _, bad := range []string{password, "orrect", fmt.Sprintf("%x", password), fmt.Sprintf("%X", password), fmt.Sprint([]byte(password))} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(bad)) {
			t.Errorf("%s shows the secret: %s", how, text)
		}
	}
}

func TestSecretNeverPrinted(t *testing.T) {
	s := evidence.NewSecret(password)
	type config struct {
		URL    string
		Token  evidence.Secret
		hidden evidence.Secret // fmt calls no methods here
		list   []evidence.Secret
	}
	c := config{"https://forge.example", s, s, []evidence.Secret{s}}
	verbs := []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%b", "%o", "%O", "%c", "%U", "%e", "%f", "%g", "%t", "%p", "%T", "%08d", "%.3s", "%y", "%!"}
	for _, verb := range verbs {
		for _, v := range []any{s, &s, c, &c, []evidence.Secret{s}, map[string]evidence.Secret{"a": s}, map[evidence.Secret]int{s: 1}, [1]evidence.Secret{s}, struct{ any }{s}} {
			hiding(t, fmt.Sprintf("%s of %T", verb, v), fmt.Sprintf(verb, v))
		}
		if strings.ContainsAny(verb, "pT!") {
			continue
		}
		if got := fmt.Sprintf(verb, s); got != "<secret>" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	hiding(t, "Print", fmt.Sprint(s, c))
	hiding(t, "an error", fmt.Errorf("login with %v: %w", s, errors.New("refused")).Error())
	hiding(t, "a panic's value", func() (text string) {
		defer func() { text = fmt.Sprint(recover()) }()
		panic(c)
	}())
}

func TestSecretInJSONAndSlog(t *testing.T) {
	s := evidence.NewSecret(password)
	for _, v := range []any{s, &s, struct{ S evidence.Secret }{s}, map[string]any{"a": s}, map[evidence.Secret]int{s: 1}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%T: %v", v, err)
		}
		hiding(t, fmt.Sprintf("JSON of %T", v), string(b))
	}
	var buf bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&buf, nil), slog.NewJSONHandler(&buf, nil)} {
		log := slog.New(h)
		log.Info("login", "token", s, "pointer", &s, "inside", struct{ S, s evidence.Secret }{s, s}, slog.Group("g", "token", s))
		log.With("token", s).Info("again")
	}
	hiding(t, "slog", buf.String())
	if !strings.Contains(buf.String(), "<secret>") {
		t.Errorf("slog prints %s", buf.String())
	}
}

func TestSecretReveal(t *testing.T) {
	s := evidence.NewSecret(password)
	if s.Reveal() != password || s.IsZero() {
		t.Error("the secret is lost")
	}
	var zero evidence.Secret
	if !zero.IsZero() || zero.Reveal() != "" || evidence.NewSecret("") != zero || fmt.Sprint(zero) != "<secret>" {
		t.Error("the zero secret")
	}
}
