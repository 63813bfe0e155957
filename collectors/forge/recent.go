package forge

import "time"

// Recent remembers, of a list that each look reads again from a little behind
// its newest item, which items were read as they stand, by id. A quiet look then
// asks for the list alone and for none of its items. It is kept in a position;
// the zero value remembers nothing.
type Recent map[int64]Stamp

// Stamp is the time of update that an item had when it was read, and whether a
// second reading of it found the same.
type Stamp struct {
	Updated time.Time `json:"updated"`
	Settled bool      `json:"settled,omitempty"`
}

// settleAfter is how old an update must be for one reading to be enough. Forges
// tell seconds: an item read in the second of its update may change again in
// that second, with nothing to show for it. An hour is more than clocks differ.
const settleAfter = time.Hour

// Settled reports whether an item was read with this time of update, and cannot
// have changed since without another.
func (r Recent) Settled(id int64, updated time.Time) bool {
	s, ok := r[id]
	return ok && s.Settled && s.Updated.Equal(updated)
}

// Read remembers that an item was read by a look that began at now. An item
// without a time of update is never settled.
func (r *Recent) Read(id int64, updated, now time.Time) {
	if updated.IsZero() {
		return
	}
	if *r == nil {
		*r = Recent{}
	}
	old, again := (*r)[id]
	(*r)[id] = Stamp{updated, again && old.Updated.Equal(updated) || now.Sub(updated) >= settleAfter}
}

// Keep forgets all items but these: those that the next look will list again.
func (r *Recent) Keep(ids map[int64]bool) {
	for id := range *r {
		if !ids[id] {
			delete(*r, id)
		}
	}
	if len(*r) == 0 {
		*r = nil
	}
}
