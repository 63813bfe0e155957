package network

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// memory is what stays between two commits, and in the cursor: which policies
// choose namespaces, and what came of it when they were read. When that changes
// they are read again, for nobody tells of them then.
type memory struct {
	Policies map[string]chosen `json:"policies,omitempty"`
	Mode     bool              `json:"mode,omitempty"` // the ConfigMap that is asked for was there
}

// chosen is what one policy asks of namespaces.
type chosen struct {
	Asks [][]evidence.NetworkMatch `json:"asks"`
	Came string                    `json:"came"` // of it, summed up
}

// maxPolicies bounds the policies that are remembered. Of one beyond it nothing is
// said of the namespaces that it chooses.
const maxPolicies = 20_000

func policyKey(kind, namespace, name string) string { return kind + "/" + namespace + "/" + name }

// remember takes note that the policy at hand chooses namespaces so; false when
// there is no room.
func (b *building) remember(ms []evidence.NetworkMatch) bool {
	if _, known := b.r.memory.Policies[policyKey(b.o.Kind, b.o.Namespace, b.o.Name)]; !known && len(b.r.memory.Policies) >= maxPolicies {
		b.l.Note("more than %d policies choose namespaces: of the others it is not said which ones they let in", maxPolicies)
		return false
	}
	if !slices.ContainsFunc(b.chosen, func(known []evidence.NetworkMatch) bool { return slices.EqualFunc(known, ms, sameMatch) }) {
		b.chosen = append(b.chosen, ms)
	}
	return true
}

func sameMatch(a, b evidence.NetworkMatch) bool {
	return a.Key == b.Key && a.Op == b.Op && slices.Equal(a.Values, b.Values)
}

// settled keeps what came of the choices of the policy at hand.
func (b *building) settled() {
	key := policyKey(b.o.Kind, b.o.Namespace, b.o.Name)
	delete(b.r.asked, key)
	if len(b.chosen) == 0 {
		delete(b.r.memory.Policies, key)
		return
	}
	if b.r.memory.Policies == nil {
		b.r.memory.Policies = map[string]chosen{}
	}
	b.r.memory.Policies[key] = chosen{b.chosen, b.r.came(b.l, b.chosen)}
}

// came sums up which namespaces meet requirements, and whose these are.
func (r *reader) came(l *kube.Look, asks [][]evidence.NetworkMatch) string {
	h := sha256.New()
	for _, ms := range asks {
		names, known := r.resolve(l, ms)
		if !known {
			h.Write([]byte("unknown\n"))
		}
		for _, n := range names {
			for _, ref := range l.Scope(n) {
				h.Write([]byte(ref.String() + " "))
			}
			h.Write([]byte{'\n'})
		}
		h.Write([]byte{'\n'})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// spacesNow sums up all namespaces, so that a change is noticed.
func spacesNow(l *kube.Look) string {
	h := sha256.New()
	for _, name := range l.Namespaces() {
		n, _ := l.Namespace(name)
		fmt.Fprintf(h, "%s %s", name, n.UID)
		for _, k := range sortedKeys(n.Labels) {
			fmt.Fprintf(h, " %s=%s", k, n.Labels[k])
		}
		h.Write([]byte{'\n'})
	}
	return string(h.Sum(nil))
}

// settle looks, before each commit, whether a policy chooses other namespaces than
// when it was read, and has it read again.
func (r *reader) settle(_ context.Context, l *kube.Look) ([]evidence.Draft, error) {
	if r.cfg.CiliumConfig != "" && !r.memory.Mode && !r.noted && l.Whole("configmaps") {
		r.noted = true
		l.Note("there is no ConfigMap cilium-config in the namespace that cilium_config names: whether rules are enforced is not known")
	}
	if r.cfg.NamespaceLabels && len(l.Namespaces()) == 0 {
		return nil, nil // nothing is known of them yet
	}
	now := spacesNow(l)
	if now == r.spaces {
		return nil, nil
	}
	r.spaces = now
	if r.asked == nil {
		r.asked = map[string]string{}
	}
	again := r.again
	if again == nil {
		again = (*kube.Look).Again
	}
	for key, c := range r.memory.Policies {
		kind, rest, _ := strings.Cut(key, "/")
		namespace, _, _ := strings.Cut(rest, "/")
		if _, there := l.Namespace(namespace); namespace != "" && !there && r.cfg.NamespaceLabels && (len(r.cfg.Namespaces) == 0 || slices.Contains(r.cfg.Namespaces, namespace)) {
			delete(r.memory.Policies, key) // it went with its namespace
			continue
		}
		if came := r.came(l, c.Asks); came != c.Came && came != r.asked[key] {
			r.asked[key] = came
			again(l, resourceOf[kind], namespace)
		}
	}
	return nil, nil
}
