package gitrepo

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"evidenced/collectors"
	"evidenced/collectors/forge"
	"evidenced/collectors/gitrepo/signed"
	"evidenced/evidence"
)

// realm of every person here: git knows what people wrote, not who they are.
const realm = "git:claimed"

// commitRead is a commit with its bytes.
type commitRead struct {
	id plumbing.Hash
	*commit
	raw []byte
}

func (r *run) project(repo string) evidence.Ref {
	return evidence.NewRef("project", r.authority, repo)
}

// draft fills what all drafts of a look share. NotBefore is the last complete
// look: what is new since then was not there at that time.
func (l *look) draft(kind evidence.Kind, op evidence.Op, facts any) evidence.Draft {
	return evidence.Draft{
		Kind: kind, Op: op, Source: l.env.Source,
		OccurredAt: l.seenAt, Basis: evidence.BasisObserved,
		NotBefore: l.old.Looked, ObservedAt: l.seenAt,
		Scope:   []evidence.Ref{l.project(l.t.Name)},
		Content: encode(facts),
		Request: evidence.Request{Method: "git", URL: l.t.show, Agent: agent},
	}
}

// encode writes facts as JSON.
func encode(facts any) []byte {
	b, err := evidence.EncodeFacts(facts)
	if err != nil {
		panic("gitrepo: facts do not encode: " + err.Error()) // strings, numbers and checked times only
	}
	return b
}

func (l *look) commitDraft(c *commitRead, ch *changes, branch string) evidence.Draft {
	sha := c.id.String()
	people := l.people(c)
	clean := cleaner(people)
	f := evidence.CommitFacts{
		Repo: l.t.Name, SHA: sha, Branch: branch,
		Merge: len(c.parents) > 1, Signature: c.signature, Author: 0, Committer: 1,
	}
	for _, p := range c.parents[:min(len(c.parents), maxParents)] {
		f.Parents = append(f.Parents, p.String())
	}
	f.Files, f.FilesCut = ch.facts(clean)
	f.AuthoredAt, _ = c.author.when()
	at, dated := c.committer.when()
	f.CommittedAt = at
	if v, ok := l.signers.Commit(c.raw, at, l.seenAt); ok && l.checks() {
		good, now := v.Good(), v.GoodNow()
		f.Verified, f.VerifiedWhy, f.VerifiedNow = &good, v.Why, &now
		f.SignerKey, f.Signers = v.Key, l.signers.Hash()
		vouch(people, v)
	}

	d := l.draft(evidence.ChangeCommit, evidence.OpEvent, f)
	if dated {
		d.OccurredAt, d.Basis = at, evidence.BasisClaimed
	} else {
		l.notes = append(l.notes, fmt.Sprintf("repository %s: commit %s has no usable date, it stands at the time of the look", l.t.Name, sha))
	}
	d.Key = l.t.Name + "@" + sha
	d.Subject = forge.Commit(sha)
	d.People = people
	d.Text = cutText(textUTF8(c.message, c.encoding))
	d.Raw = c.raw
	for _, p := range f.Parents {
		d.Links = append(d.Links, forge.Commit(p))
	}
	d.Mentions = forge.MentionFiles(l.authority, l.t.Name, f.Files)
	for _, p := range ch.paths(clean) {
		ref := l.pathRef(p)
		d.Scope = append(d.Scope, ref)
		d.Links = append(d.Links, ref)
	}
	return d
}

// checks reports whether signers are configured; without any, nothing is said
// of a signature but its kind.
func (l *look) checks() bool { return len(l.cfg.SignerFiles) > 0 }

// vouch marks as signed the people whom the good signature's signer is
// configured for. A signature vouches for who made the object, so for its
// committer or tagger, and for its author when that is the same person; a
// co-author has signed nothing.
func vouch(people []evidence.Person, v signed.Verdict) {
	var maker string
	for i := range people {
		if p := &people[i]; (p.Role == evidence.RoleCommitter || p.Role == evidence.RoleTagger) && v.Speaks(p.NativeID) {
			p.Proof, maker = evidence.ProofSigned, p.NativeID
		}
	}
	if maker != "" && people[0].NativeID == maker {
		people[0].Proof = evidence.ProofSigned
	}
}

// tagSignature is the kind of signature at the end of a tag.
func tagSignature(raw []byte) string {
	if i := bytes.LastIndex(raw, []byte("\n-----BEGIN ")); i >= 0 {
		if kind := signatureKind(raw[i+1:]); kind != "unknown" {
			return kind
		}
	}
	return "none"
}

// maxParents bounds the parents in facts and links; the widest merge in a
// well-known history has 66, all of which stand in Raw.
const maxParents = evidence.MaxLinks - maxPaths

// pathRef is the reference of a changed path. One that is too long stands as
// its deepest directory that is short enough.
func (l *look) pathRef(p string) evidence.Ref { return forge.Path(l.authority, l.t.Name, p) }

func (l *look) branchRef(public string) evidence.Ref {
	ref := evidence.NewRef("branch", l.authority, l.t.Name+"@"+public)
	if len(ref.String()) > evidence.MaxRef {
		ref.Name = l.t.Name + "@" + hiddenRef(headPrefix, refID(l.t.Name, public))
	}
	return ref
}

func (l *look) refDraft(b branch) evidence.Draft {
	sha := b.sha.String()
	d := l.draft(evidence.ChangeRef, evidence.OpSet, evidence.RefFacts{Repo: l.t.Name, Ref: b.public, SHA: sha, Tagger: -1})
	d.Key = l.t.Name + "@" + b.id
	d.Subject = l.branchRef(b.public)
	d.Links = []evidence.Ref{forge.Commit(sha)}
	return d
}

func (l *look) tagDraft(t tagRef) evidence.Draft {
	f := evidence.RefFacts{Repo: l.t.Name, Ref: t.public, SHA: t.sha.String(), Tagger: -1}
	var people []evidence.Person
	if t.obj != nil {
		if !t.target.IsZero() {
			f.Target = t.target.String()
		}
		if t.obj.tagged {
			f.Tagger = 0
			people = []evidence.Person{l.person(evidence.RoleTagger, t.obj.tagger)}
		}
	}
	if t.obj != nil {
		f.Signature = tagSignature(t.raw)
		at, _ := t.obj.tagger.when()
		if v, ok := l.signers.Tag(t.raw, at, l.seenAt); ok && l.checks() {
			good := v.Good()
			f.Verified, f.VerifiedWhy, f.SignerKey, f.Signers = &good, v.Why, v.Key, l.signers.Hash()
			vouch(people, v)
		}
	}
	d := l.draft(evidence.ChangeTag, evidence.OpSet, f)
	d.Key = l.t.Name + "@" + refID(l.t.Name, t.full)
	d.Subject = l.branchRef(t.public)
	d.People = people
	if t.obj != nil {
		d.Text, d.Raw = cutText(textUTF8(t.obj.message, "")), t.raw
	}
	if !t.target.IsZero() {
		d.Links = []evidence.Ref{forge.Commit(t.target.String())}
	}
	return d
}

// rewriteDraft's key holds the number of the look, since the same rewrite may
// happen again; it is the same when a cut look is repeated.
func (l *look) rewriteDraft(id string, f evidence.RewriteFacts) evidence.Draft {
	d := l.draft(evidence.ChangeRewrite, evidence.OpEvent, f)
	d.Key = fmt.Sprintf("%s@%s:%s..%s#%d", l.t.Name, id, f.Before, f.After, l.old.Looks+1)
	d.Subject = l.branchRef(f.Ref)
	d.Links = []evidence.Ref{forge.Commit(f.Before)}
	if f.After != "" {
		d.Links = append(d.Links, forge.Commit(f.After))
	}
	for _, sha := range f.Lost {
		if sha != f.Before {
			d.Links = append(d.Links, forge.Commit(sha))
		}
	}
	return d
}

// people are author and committer, co-authors, and everybody else a trailer
// names.
func (l *look) people(c *commitRead) []evidence.Person {
	ps := []evidence.Person{l.person(evidence.RoleAuthor, c.author), l.person(evidence.RoleCommitter, c.committer)}
	for _, t := range forge.Trailers(string(textUTF8(c.message, c.encoding))) {
		role := forge.RoleMentioned
		if t.CoAuthor {
			role = evidence.RoleAuthor
		}
		p := l.person(role, identity{name: t.Name, mail: t.Mail})
		dup := false
		for _, q := range ps {
			dup = dup || q.Role == p.Role && q.NativeID == p.NativeID
		}
		if !dup && len(ps) < evidence.MaxPeople {
			ps = append(ps, p)
		}
	}
	return ps
}

const maxName = 256 // bytes of a name or an id

// person makes a claimed person of an identity line. The mail address is the
// identity; without one the name is, and without both nobody in particular.
func (l *look) person(role evidence.Role, id identity) evidence.Person {
	mail := short(strings.ToLower(cleanText(id.mail)))
	name := short(cleanText(id.name))
	p := evidence.Person{Role: role, Realm: realm, NativeID: mail, Proof: evidence.ProofClaimed,
		Names: evidence.Names{Display: name, Mail: short(cleanText(id.mail))}}
	switch {
	case mail == "" && name != "":
		p.NativeID = "name:" + strings.ToLower(name)
	case mail == "":
		p.NativeID = "nobody"
	}
	if l.env.Mark != nil {
		p.Names.Bot, p.Names.Shared = l.env.Mark(p.Realm, p.NativeID, "")
	}
	return p
}

// short cuts a name; a cut one ends in the hash of the whole.
func short(s string) string {
	if len(s) <= maxName {
		return s
	}
	return strings.ToValidUTF8(s[:maxName-20], "") + "..~" + refID("", s)
}

// cleaner cleans paths: bytes that JSON cannot hold, and mail addresses of the
// commit's own people.
func cleaner(people []evidence.Person) func(string) string {
	var pairs []string
	for _, p := range people {
		for _, mail := range []string{p.Names.Mail, p.NativeID} {
			if strings.Contains(mail, "@") && len(mail) > 2 {
				pairs = append(pairs, mail, "{mail}")
			}
		}
	}
	r := strings.NewReplacer(pairs...)
	return func(path string) string { return r.Replace(cleanText(path)) }
}

// cutText keeps a text within the limit and says what was cut; Raw holds all
// of it.
func cutText(b []byte) []byte {
	if len(b) <= evidence.MaxText {
		return b
	}
	mark := fmt.Sprintf("\n[cut here: the text has %d bytes]", len(b))
	b = []byte(collectors.WithoutCredentials(string(b))) // half of one would not be known as such
	head := bytes.ToValidUTF8(b[:min(len(b), evidence.MaxText-len(mark))], nil)
	return append(head[:len(head):len(head)], mark...)
}

// wireStats is what remote looks measured; the last repository's TLS counts.
type wireStats struct {
	requests    int
	tls, tlsKey string
	offset      time.Duration
	offsetOK    bool
	identity    string
}
