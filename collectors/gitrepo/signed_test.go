package gitrepo

import (
	"os"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

// Commits and tags that git itself signed, seen through a whole look.
func TestSignedObjects(t *testing.T) {
	ck, r := start(), newRepo(t)
	ck.t = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC) // after the keys of testdata were made
	read := func(name string) string {
		b, err := os.ReadFile("signed/testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	r.tree(nil)
	pgp := r.object("commit", read("pgp.commit"))
	ssh := r.object("commit", read("ssh.commit"))
	none := r.object("commit", read("none.commit"))
	other := r.object("commit", strings.Replace(read("none.commit"), "not signed", "somebody else's\n\nCo-authored-by: Test Signer <signer@people.example>", 1))
	borrowed := r.object("commit", strings.Replace(read("pgp.commit"), "signed with OpenPGP", "another text", 1))
	for i, id := range []string{pgp, ssh, none, other, borrowed} {
		r.ref("refs/heads/release/"+string(rune('a'+i)), id)
	}
	r.ref("refs/tags/v1", r.object("tag", strings.Replace(read("pgp.tag"), "object ", "object ", 1)))
	r.ref("refs/tags/v2", r.object("tag", read("ssh.tag")))
	r.ref("refs/tags/v3", r.object("tag", read("none.tag")))

	files := []string{"signed/testdata/signer.asc", "signed/testdata/allowed_signers"}
	c := collect(t, ck, func(c *Config) { c.SignerFiles = files }, r)
	out := poll(t, c, nil)
	type want struct {
		signature, why string
		proof          evidence.Proof
	}
	wants := map[string]want{
		pgp: {"openpgp", "good", evidence.ProofSigned}, ssh: {"ssh", "good", evidence.ProofSigned}, none: {"none", "", evidence.ProofClaimed},
		other: {"none", "", evidence.ProofClaimed}, borrowed: {"openpgp", "bad", evidence.ProofClaimed},
	}
	for _, d := range out.Of(evidence.ChangeCommit) {
		f := decode[evidence.CommitFacts](t, d)
		w, ok := wants[f.SHA]
		if !ok {
			continue // a parent that is not there
		}
		delete(wants, f.SHA)
		if f.Signature != w.signature || f.VerifiedWhy != w.why || (f.Verified != nil) != (w.why != "") || f.Verified != nil && *f.Verified != (w.why == "good") {
			t.Errorf("%s: %+v, want %+v", f.SHA, f, w)
		}
		if w.why == "good" && (f.SignerKey == "" || len(f.Signers) != 64 || f.VerifiedNow == nil || !*f.VerifiedNow) {
			t.Errorf("%s: %+v", f.SHA, f)
		}
		if d.People[f.Author].Proof != w.proof || d.People[f.Committer].Proof != w.proof {
			t.Errorf("%s: author %s, committer %s, want %s", f.SHA, d.People[f.Author].Proof, d.People[f.Committer].Proof, w.proof)
		}
		for _, p := range d.People[2:] {
			if p.Proof != evidence.ProofClaimed {
				t.Errorf("%s: a co-author has signed nothing", f.SHA)
			}
		}
	}
	if len(wants) > 0 {
		t.Errorf("not seen: %v", wants)
	}
	for _, d := range out.Of(evidence.ChangeTag) {
		f := decode[evidence.RefFacts](t, d)
		good := !strings.HasSuffix(f.Ref, "v3")
		if (f.Verified != nil && *f.Verified) != good || (d.People[f.Tagger].Proof == evidence.ProofSigned) != good || (f.Signature != "none") != good {
			t.Errorf("%s: %+v %s", f.Ref, f, d.People[f.Tagger].Proof)
		}
	}

	// Without signers a signature is named and nothing is said of it.
	for _, d := range poll(t, collect(t, ck, nil, r), nil).Of(evidence.ChangeCommit) {
		if f := decode[evidence.CommitFacts](t, d); f.Verified != nil || f.VerifiedWhy != "" || d.People[0].Proof != evidence.ProofClaimed {
			t.Errorf("%s: %+v", f.SHA, f)
		}
	}

	// Signers that cannot be read fail the look, before anything is kept.
	c = collect(t, ck, func(c *Config) { c.SignerFiles = []string{"none.asc"} }, r)
	if err := c.Poll(t.Context(), evidence.Period{}, nil, nil); err == nil || !strings.Contains(err.Error(), "none.asc") {
		t.Errorf("%v", err)
	}
}
