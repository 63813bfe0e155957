package remedy

import "slices"

// Cause is a root cause. The list is closed so that causes can be counted; what
// is particular to a case stands beside it in words.
type Cause struct {
	ID   string
	Says string
}

// Causes are the root causes, the common ones of control failures. Unknown is
// one: a plan may begin before anybody knows.
var Causes = []Cause{
	{"missing-process", "nothing says that it has to be done, or how"},
	{"process-not-followed", "it is laid down, and was passed over"},
	{"human-error", "somebody meant to do it right and slipped"},
	{"misconfiguration", "a setting is wrong"},
	{"software-fault", "a program does not do what it should"},
	{"design", "it was built so that it cannot hold"},
	{"legacy", "left over from before the rule, or from a migration"},
	{"capacity", "too little time, people, money or room"},
	{"unclear-duty", "nobody knew that it was theirs"},
	{"third-party", "a supplier or another provider"},
	{"malicious-act", "somebody meant harm"},
	{"external-event", "something outside that nobody here could stop"},
	{"unknown", "not known yet"},
}

// KnownCause reports whether the id is of a root cause.
func KnownCause(id string) bool {
	return slices.ContainsFunc(Causes, func(c Cause) bool { return c.ID == id })
}
