package kubeaudit

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"evidenced/collectors/kube"
)

// keeper decides which events become evidence and counts the others.
type keeper struct {
	on       map[string]bool
	reads    []string
	delivery []string
	bot      func(user string) bool
	leftOut  map[string]int
}

func newKeeper(c Config, bot func(user string) bool) *keeper {
	k := &keeper{on: map[string]bool{}, reads: c.ReadNamespaces, delivery: c.DeliveryAccounts, bot: bot, leftOut: map[string]int{}}
	for _, w := range c.Keep {
		k.on[w] = true
	}
	return k
}

// person reports whether a person may stand behind a user name: no service
// account, no part of Kubernetes, nobody whom the configuration marks as a bot.
func (k *keeper) person(name string) bool {
	return name != "" && !kube.Machine(name) && (k.bot == nil || !k.bot(name))
}

// keep reports whether an event becomes evidence.
func (k *keeper) keep(e *event) bool {
	switch {
	case e.Stage == stageReceived:
		return k.leave("requests received (told again when they end)")
	case e.Stage == stageStarted && !e.longRunning() && !e.final():
		return k.leave("starts of short requests")
	case k.wanted(e):
		return true
	}
	who := "machines"
	if k.person(e.actor().Username) {
		who = "people"
	}
	what := "writes"
	if read(e.Verb) {
		what = "reads"
	}
	return k.leave(what + " by " + who)
}

func (k *keeper) leave(what string) bool {
	k.leftOut[what]++
	return false
}

func (k *keeper) wanted(e *event) bool {
	r, actor := e.resource(), e.actor()
	person := k.person(actor.Username)
	write := !read(e.Verb)
	switch {
	case k.on[keepSecrets] && r.APIGroup == "" && r.Resource == "secrets",
		k.on[keepExec] && (r.connect() || r.Subresource == "ephemeralcontainers" && write),
		k.on[keepTokens] && r.APIGroup == "" && r.Resource == "serviceaccounts" && r.Subresource == "token",
		k.on[keepRBAC] && write && r.APIGroup == rbacGroup,
		k.on[keepImpersonation] && e.ImpersonatedUser != nil,
		k.on[keepDenials] && denied(e),
		k.on[keepMasters] && masters(e),
		k.on[keepPeopleWrites] && person && write && r.Resource != "" && !selfReview(r),
		k.on[keepPeopleReads] && person && !write && k.tenantRead(r):
		return true
	}
	if ns, name, ok := kube.ServiceAccount(actor.Username); ok && write && k.on[keepDelivery] {
		return anyMatch(k.delivery, ns+"/"+name)
	}
	return false
}

// selfReview are requests by which a client asks what it may do.
func selfReview(r objectRef) bool { return strings.HasPrefix(r.Resource, "self") }

// tenantRead reports whether a read is of a namespace that is asked for, or of
// all of them.
func (k *keeper) tenantRead(r objectRef) bool {
	if r.Resource == "" || len(k.reads) == 0 {
		return false
	}
	if r.Namespace == "" {
		return reachesAll(r)
	}
	return anyMatch(k.reads, r.Namespace)
}

func anyMatch(patterns []string, s string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, s)
		return err == nil && ok
	})
}

func denied(e *event) bool {
	return e.code() == 401 || e.code() == 403 || e.Annotations[decisionKey] == "forbid" || e.refused()
}

// masters reports whether the request passed every check because of the group
// system:masters. The API server itself is a member too, and asks all day.
func masters(e *event) bool {
	a := e.actor()
	return slices.Contains(a.Groups, "system:masters") && a.Username != "system:apiserver"
}

// flush tells what was left out since the last call.
func (k *keeper) flush() []string {
	var notes []string
	for _, what := range slices.Sorted(maps.Keys(k.leftOut)) {
		notes = append(notes, fmt.Sprintf("not kept, as configured: %d %s", k.leftOut[what], what))
	}
	clear(k.leftOut)
	return notes
}
