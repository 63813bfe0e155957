package daemon

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"time"

	"evidenced/evidence"
	"evidenced/store"
)

// ownEvent is the draft of something that evidenced tells about itself as of now,
// in UTC. A log takes what has the same kind and key once.
func ownEvent(kind evidence.Kind, key string, subject evidence.Ref, facts any, now time.Time) (evidence.Draft, error) {
	content, err := json.Marshal(facts)
	if err != nil {
		return evidence.Draft{}, err
	}
	return evidence.Draft{
		Kind: kind, Op: evidence.OpEvent, Source: evidence.SelfSource, Key: key, Subject: subject,
		OccurredAt: now, Basis: evidence.BasisSource, ObservedAt: now, Content: content,
	}, nil
}

// tell appends a record that evidenced makes about itself, once for its key.
func tell(ctx context.Context, log *store.Log, kind evidence.Kind, key string, subject evidence.Ref, facts any, now time.Time) error {
	d, err := ownEvent(kind, key, subject, facts, now)
	if err != nil {
		return err
	}
	_, err = log.Append(ctx, []store.Item{{Draft: d}})
	return err
}

// newID is a key of what can happen again and again, each time for itself.
func newID() (id evidence.ID) {
	rand.Read(id[:])
	return id
}
