package workflows

import (
	"regexp"
	"slices"
	"strings"

	"evidenced/collectors"
	"evidenced/collectors/kube"
)

// maxWord bounds one text of the source in the facts, in bytes.
const maxWord = 512

// word returns a text of the source as facts hold it: bounded, without user and
// password of addresses and other credentials, which would not be known as such once
// they are cut.
func word(s string) string {
	s = collectors.WithoutCredentials(collectors.WithoutUser(s))
	if len(s) > maxWord {
		s = strings.ToValidUTF8(s[:maxWord], "") + " (cut)"
	}
	return s
}

// item is what stands behind the number of a node that was made for one of a
// list: "send(3:value)". A value may have lines.
var item = regexp.MustCompile(`(?s)\((\d+):.*\)`)

// nodeName is the name of a node without the item that it was made for: that is a
// value, as parameters have.
func nodeName(s string) string { return word(item.ReplaceAllString(s, "($1)")) }

// What these objects may hold of secrets in clear: values of parameters, what
// steps wrote and said, commands and variables of containers, names of nodes, which
// quote items, and names of locks, which may be made of parameters.
var (
	specSecrets = []string{
		"/templates", "/templateDefaults", "/arguments/artifacts", "/arguments/parameters/*/value", "/arguments/parameters/*/default",
		"/arguments/parameters/*/enum", "/arguments/parameters/*/valueFrom", "/artifactGC/podSpecPatch", "/hooks", "/metrics", "/podSpecPatch", "/volumes", "/volumeClaimTemplates", "/synchronization", "/workflowMetadata",
	}
	removedOfRun = append(under("/spec", specSecrets),
		"/status/message", "/status/conditions/*/message", "/status/outputs", "/status/compressedNodes", "/status/storedTemplates",
		"/status/storedWorkflowTemplateSpec", "/status/nodes/*/name", "/status/nodes/*/displayName", "/status/nodes/*/message",
		"/status/nodes/*/inputs", "/status/nodes/*/outputs/parameters", "/status/nodes/*/outputs/artifacts", "/status/nodes/*/outputs/result",
		"/status/nodes/*/memoizationStatus", "/status/nodes/*/synchronizationStatus", "/status/synchronization")
	removedOfCron = append(under("/spec/workflowSpec", specSecrets), "/spec/when", "/spec/stopStrategy", "/spec/workflowMetadata/labelsFrom", "/status/conditions/*/message")
)

func under(prefix string, parts []string) (out []string) {
	for _, p := range parts {
		out = append(out, prefix+p)
	}
	return out
}

// withoutValues takes out of an object's bytes what may hold secrets, and names it
// beside what was taken out before. Where an address in what is left holds a user
// or a password all of it goes.
func withoutValues(o *kube.Object, remove []string) (raw []byte, removed []string, err error) {
	cut, err := kube.ParseObject(o.Raw, o.ObservedAt, remove...)
	if err != nil {
		return nil, nil, err
	}
	if collectors.HoldsUser(cut.Raw) {
		return []byte("null"), []string{agent, ""}, nil
	}
	removed = slices.Clone(o.Removed)
	switch {
	case len(removed) == 0:
		removed = cut.Removed
	case len(cut.Removed) > 0:
		removed = append(removed, cut.Removed[1:]...)
		slices.Sort(removed[1:])
	}
	return cut.Raw, removed, nil
}
