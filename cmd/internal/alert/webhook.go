package alert

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// SignatureHeader holds "t=UNIX,v1=HEX": HEX is the HMAC-SHA-256, under the
// shared secret, of the seconds, a full stop and the body as sent. The time is
// inside so that a copy cannot be played back later.
const SignatureHeader = "Evidenced-Signature"

// Webhook posts JSON to an address, signed with a shared secret.
type Webhook struct {
	client *fetch.Client
	secret func() (evidence.Secret, error)
}

// NewWebhook makes the destination. The secret is read anew for each message.
func NewWebhook(client *fetch.Client, secret func() (evidence.Secret, error)) *Webhook {
	return &Webhook{client, secret}
}

// payload is the body. Version changes when a field changes its meaning.
type payload struct {
	Version int `json:"version"`
	Message
}

// Send implements Destination. Each alert goes with its id and turn, by which
// a receiver knows one that it had already.
func (w *Webhook) Send(ctx context.Context, m Message) error {
	if m.Changed == nil {
		m.Changed = []Alert{}
	}
	return post(ctx, w.client, "", payload{1, m}, func(body []byte, h http.Header) error {
		secret, err := w.secret()
		if err != nil {
			return err
		}
		h.Set(SignatureHeader, Sign(secret, m.At, body))
		return nil
	})
}

// Sign makes the value of SignatureHeader.
func Sign(secret evidence.Secret, at time.Time, body []byte) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac(secret, seconds, body))
}

func mac(secret evidence.Secret, seconds string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(secret.Reveal()))
	h.Write([]byte(seconds + "."))
	h.Write(body)
	return h.Sum(nil)
}

// Check verifies the header of a message that arrived at now, as a receiver
// would. One that is older or newer than tolerance is refused.
func Check(secret evidence.Secret, header string, body []byte, now time.Time, tolerance time.Duration) error {
	seconds, sum, ok := strings.Cut(header, ",v1=")
	seconds, prefixed := strings.CutPrefix(seconds, "t=")
	n, err := strconv.ParseInt(seconds, 10, 64)
	want, herr := hex.DecodeString(sum)
	if !ok || !prefixed || err != nil || herr != nil {
		return problem.New(problem.Usage, "%s is not of the form t=SECONDS,v1=HEX", SignatureHeader)
	}
	if d := now.Sub(time.Unix(n, 0)).Abs(); d > tolerance {
		return problem.New(problem.Usage, "the message was signed %s from now, more than %s", d, tolerance)
	}
	if subtle.ConstantTimeCompare(mac(secret, seconds, body), want) != 1 {
		return fmt.Errorf("the signature does not fit the message")
	}
	return nil
}
