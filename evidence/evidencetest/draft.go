package evidencetest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"evidenced/evidence"
)

// DefaultSource returns the source that DraftFor names for a kind.
func DefaultSource(kind evidence.Kind) evidence.SourceID {
	switch kind {
	case evidence.DeploySync, evidence.DeployState:
		return "argocd/prod"
	case evidence.SecretAccess, evidence.SecretAuth, evidence.SecretPolicy, evidence.SecretRole,
		evidence.SecretIdentity, evidence.SecretDevice, evidence.SecretMount:
		return "vault/prod"
	case evidence.CertState:
		return "certs/edge"
	case evidence.ChangeCommit, evidence.ChangeMerge, evidence.ChangeReview, evidence.ChangeProtection,
		evidence.ChangeRef, evidence.ChangeTag, evidence.ChangeRewrite:
		return "github/acme"
	}
	if s, ok := platformSources[kind]; ok {
		return s
	}
	return evidence.SelfSource
}

// DraftFor makes a valid draft around facts: a facts struct, or JSON as bytes
// or string. Subject, key and links come from the facts, in the shape that
// collectors give them; the time is the source's own, seen at once. Change
// what the test is about and hand the draft to AddDraft.
func DraftFor(kind evidence.Kind, op evidence.Op, at time.Time, facts any, people ...evidence.Person) evidence.Draft {
	d := evidence.Draft{
		Kind: kind, Op: op, Source: DefaultSource(kind), OccurredAt: at.UTC(), ObservedAt: at.UTC(),
		Basis: evidence.BasisSource, People: people, Content: encode(facts),
	}
	var f names
	if err := json.Unmarshal(d.Content, &f); err != nil {
		panic(fmt.Sprintf("evidencetest: facts of %s: %v", kind, err))
	}
	var known bool
	if d.Subject, d.Key, known = platformIdentity(&d); !known {
		known = deliveryIdentity(&d)
	}
	if !known {
		d.Subject, d.Key, known = alertIdentity(&d)
	}
	if !known {
		d.Subject, d.Key = f.identity(kind)
	}
	for _, sha := range append(append([]string{f.SHA, f.MergeSHA, f.HeadSHA}, f.Commits...), f.Revisions...) {
		if len(sha) >= 40 {
			d.Links = append(d.Links, evidence.NewRef("commit", "", sha))
		}
	}
	if kind == evidence.DeploySync {
		d.Links = append(d.Links, evidence.NewRef("app", "prod", f.App))
	}
	if f.Secret != "" {
		d.Links = append(d.Links, evidence.NewRef("secret", "prod", f.Secret))
	}
	return d
}

// names are the facts that name something, over all kinds.
type names struct {
	Repo      string    `json:"repo"`
	SHA       string    `json:"sha"`
	MergeSHA  string    `json:"merge_sha"`
	HeadSHA   string    `json:"head_sha"`
	Commits   []string  `json:"commits"`
	Ref       string    `json:"ref"`
	Before    string    `json:"before"`
	After     string    `json:"after"`
	Number    int       `json:"number"`
	ID        string    `json:"id"`
	State     string    `json:"state"`
	Branch    string    `json:"branch"`
	App       string    `json:"app"`
	UID       string    `json:"uid"`
	Started   time.Time `json:"started_at"`
	Revisions []string  `json:"revisions"`
	RequestID string    `json:"request_id"`
	Secret    string    `json:"secret"`
	Name      string    `json:"name"`
	Mount     string    `json:"mount"`
	Role      string    `json:"role"`
	Entity    string    `json:"entity"`
	Path      string    `json:"path"`
	Endpoint  string    `json:"endpoint"`
	SNI       string    `json:"sni"`
	File      string    `json:"file"`
}

func (f *names) identity(kind evidence.Kind) (subject evidence.Ref, key string) {
	ref := evidence.NewRef
	number := fmt.Sprintf("%s!%d", f.Repo, f.Number)
	switch kind {
	case evidence.ChangeCommit:
		return ref("commit", "", f.SHA), f.Repo + "/" + f.SHA
	case evidence.ChangeMerge:
		return ref("change", "acme", number), number
	case evidence.ChangeReview:
		return ref("review", "acme", number+"/"+f.ID), number + "/" + f.ID + "/" + f.State
	case evidence.ChangeProtection:
		return ref("branch", "acme", f.Repo+"@"+f.Branch), ""
	case evidence.ChangeRef, evidence.ChangeTag:
		return ref("branch", "acme", f.Repo+"@"+f.Ref), ""
	case evidence.ChangeRewrite:
		return ref("branch", "acme", f.Repo+"@"+f.Ref), f.Repo + "@" + f.Ref + "/" + f.Before + "/" + f.After
	case evidence.DeployState:
		return ref("app", "prod", f.App).WithUID(f.UID), ""
	case evidence.DeploySync:
		start := evidence.FormatTime(f.Started)
		return ref("sync", "prod", f.App+"/"+start).WithUID(f.UID), f.UID + "/" + start
	case evidence.SecretAccess, evidence.SecretAuth:
		return ref("request", "prod", f.RequestID), f.RequestID
	case evidence.SecretPolicy:
		return ref("policy", "prod", f.Name), ""
	case evidence.SecretRole:
		return ref("role", "prod", f.Mount+"/"+f.Role), ""
	case evidence.SecretIdentity:
		return ref("entity", "prod", f.Entity), ""
	case evidence.SecretDevice:
		return ref("device", "prod", f.Path), ""
	case evidence.SecretMount:
		return ref("mount", "prod", f.Path), ""
	case evidence.CertState:
		if f.File != "" {
			return ref("cert", "", f.File), ""
		}
		return ref("cert", "", f.Endpoint+"/"+f.SNI), ""
	}
	panic("evidencetest: no default subject for " + string(kind) + ": use AddDraft")
}

// Decode returns the facts of a draft.
func Decode[T any](t testing.TB, d evidence.Draft) (facts T) {
	t.Helper()
	if err := json.Unmarshal(d.Content, &facts); err != nil {
		t.Fatalf("facts of %s: %v", d.Subject, err)
	}
	return facts
}

// Facts returns facts as the bytes of a draft's content.
func Facts(facts any) []byte { return encode(facts) }
