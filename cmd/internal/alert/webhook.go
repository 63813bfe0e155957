package alert

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	"evidenced/collectors/fetch"
	"evidenced/evidence"
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
