package forge

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// OddItem is the error of one item of a list that cannot be told from the others,
// for it has no id or no time to stand at, or that cannot be read. It costs none of
// the others, but of its kinds not all was seen.
type OddItem struct {
	What string // what it is, for people: "a review without an id"; nothing of its content
	Err  error
}

// Error implements error.
func (e *OddItem) Error() string { return e.Err.Error() }

// Unwrap gives the problem.
func (e *OddItem) Unwrap() error { return e.Err }

// Odd returns the odd item that is the cause of an error; nil when none is.
func Odd(err error) *OddItem {
	var e *OddItem
	errors.As(err, &e)
	return e
}

// OddEntry is OddForm for an entry of a list, of which the list itself could be read:
// whatever stands there is one odd item.
func OddEntry(raw []byte, err error) string {
	if what := OddForm(raw, err); what != "" || err == nil || !json.Valid(raw) {
		return what
	}
	return "something that is no object"
}

// OddForm says what of an object cannot be read, from the error that Decode gave of
// it: one of its members is of another form than the API describes. "" for what is no
// object at all: that is another answer than was asked for, and no odd item.
func OddForm(raw []byte, err error) string {
	const what = "something of an unknown form"
	var te *json.UnmarshalTypeError
	switch typed := errors.As(err, &te); {
	case err == nil || !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{")) || !json.Valid(raw):
		return ""
	case !typed:
		return what // a time that is none
	case te.Field == "":
		return ""
	}
	return what + " (" + Short(Clean(strings.Join(members(te.Field), "."))) + ")"
}

// Cause says in a claim why not all was seen.
func (e *OddItem) Cause() string { return "not all could be read: the source lists " + e.What }

// AddOnce adds a text to a list that has it not. Of many it says that there are
// more: thousands of odd items would else make a run that is too large to record.
func AddOnce(list []string, s string) []string {
	switch {
	case slices.Contains(list, s) || len(list) > maxMissed:
		return list
	case len(list) == maxMissed:
		s = "and more"
	}
	return append(list, s)
}
