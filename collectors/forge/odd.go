package forge

import (
	"errors"
	"slices"
)

// OddItem is the error of one item of a list that cannot be told from the others:
// it has no id, or no time to stand at. It costs none of the others, but of its
// kinds not all was seen.
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

// Cause says in a claim why not all was seen.
func (e *OddItem) Cause() string { return "not all could be read: the source lists " + e.What }

// AddOnce adds a text to a list that has it not.
func AddOnce(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
