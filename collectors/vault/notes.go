package vault

import "evidenced/collectors/tail"

// notes gathers what an operator should know until the next commit.
type notes struct {
	tail.Notes
	keys map[string]bool // unknown keys that were told
}

func newNotes() *notes { return &notes{keys: map[string]bool{}} }

// key notes a top-level key that we do not know, once per run of the daemon.
func (n *notes) key(k string) {
	if len(n.keys) < 64 && !n.keys[k] {
		n.keys[k] = true
		n.Add("unknown key %q in audit lines; it is kept in the raw line only", k)
	}
}
