package flux

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/evidence"
)

var (
	objectID  = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)
	digestRef = regexp.MustCompile(`^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)
)

// revisionOf returns a revision as the readers of deployments know it: the bare id
// of a commit, the digest of an OCI artifact, else what Flux wrote (a chart
// version, a bucket's digest). Servers before 0.36 wrote main/ID.
// See https://fluxcd.io/flux/components/source/.
func revisionOf(kind, rev string) string {
	at := rev[strings.LastIndexByte(rev, '@')+1:]
	algorithm, hex, ok := strings.Cut(at, ":")
	switch {
	case ok && algorithm == "sha1" && objectID.MatchString(hex), ok && kind == kindGit && algorithm == "sha256" && objectID.MatchString(hex):
		return hex
	case ok && digestRef.MatchString(at):
		return at
	case kind == kindGit || kind == "":
		if id := rev[strings.LastIndexByte(rev, '/')+1:]; len(id) < len(rev) && objectID.MatchString(id) {
			return id
		}
	}
	return rev
}

func revisions(kind, rev string) []string {
	if rev == "" {
		return nil
	}
	return []string{revisionOf(kind, word(rev))}
}

// revisionRef returns the join key of a revision that revisionOf made. The digest
// of a bucket is of an archive that nobody else knows.
func revisionRef(kind, rev string) (evidence.Ref, bool) {
	switch {
	case objectID.MatchString(rev):
		return evidence.NewRef("commit", "", rev), true
	case kind == kindOCI && digestRef.MatchString(rev):
		return evidence.NewRef("image", "", rev), true
	}
	return evidence.Ref{}, false
}

// links collects join keys without repeats, up to the limits of a draft.
type links []evidence.Ref

func (l *links) add(r evidence.Ref) {
	if len(*l) < evidence.MaxLinks && r.Name != "" && len(r.String()) <= evidence.MaxRef && !slices.Contains(*l, r) {
		*l = append(*l, r)
	}
}

func (l *links) revisions(kind string, revs []string) {
	for _, rev := range revs {
		if r, ok := revisionRef(kind, rev); ok {
			l.add(r)
		}
	}
}

// appName is what an application is called.
func appName(kind, namespace, name string) string { return namespace + "/" + kind + "/" + name }

// sourceRef names a source object.
func sourceRef(l *kube.Look, kind, fullName string) evidence.Ref {
	ns, name, ok := strings.Cut(fullName, "/")
	if kind == "" || !ok || name == "" {
		return evidence.Ref{}
	}
	return l.Ref(sourceGroup, kind, ns, name)
}

// maxWord bounds one text of the source in the facts, in bytes.
const maxWord = 1 << 10

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

// address returns a repository's address without what may be a credential: no
// user, no query and no fragment.
func address(s string) string {
	s = word(s)
	if u, err := url.Parse(s); err == nil && u.Scheme != "" && u.Host != "" {
		u.User, u.RawQuery, u.Fragment, u.ForceQuery = nil, "", "", false
		return u.String()
	}
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		s = s[:i]
	}
	return s
}
