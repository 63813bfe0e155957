package forge

import (
	"context"
	"net/http"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/evidence/problem"
)

// Ends reports whether an error is the end of the run and not of one repository
// or list: cancelled, the sink stopped, the token is dead, or the source wants to
// be left alone.
func Ends(ctx context.Context, err error) bool {
	return ctx.Err() != nil || collectors.EndOf(err) != nil || problem.Is(err, problem.Throttled) || problem.Is(err, problem.Config) ||
		fetch.Status(err) == http.StatusUnauthorized || problem.Is(err, problem.Credential) && fetch.Status(err) == 0
}
