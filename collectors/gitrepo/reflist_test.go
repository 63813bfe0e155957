package gitrepo

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"evidenced/evidence"
)

// TestOddRefs: a ref whose file holds no object id costs none of the others, is told,
// and is neither gone nor anywhere else; once it is mended all that came meanwhile is
// read, and claimed.
func TestOddRefs(t *testing.T) {
	const main, rel = "refs/heads/main", "refs/heads/release/1"
	for name, tt := range map[string]struct {
		ref, holds string
		fine       bool
	}{
		"empty":              {main, "", false},
		"white":              {main, " \n", false},
		"garbage":            {main, "ghp_Zq74pQ8rT2vX6zB1dF5hJ9lN3sW7yA0cE4gI", false},
		"zeros":              {main, strings.Repeat("0", 40) + "\n", false},
		"half an id":         {main, strings.Repeat("a", 20), false},
		"much":               {main, strings.Repeat("a", 1<<20), false},
		"names nothing":      {main, "ref:\n", false},
		"an empty tag":       {"refs/tags/v1", "", false},
		"what is written":    {main + ".lock", "", true},
		"a lock with an id":  {rel + ".lock", strings.Repeat("a", 40), true},
		"not below the refs": {"refs/stash", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			ck, r := start(), newRepo(t)
			base := r.chain(2, "base")
			side := r.chain(2, "side", base[1])
			r.ref(main, side[1])
			r.ref(rel, base[1])
			r.ref("refs/tags/v1", base[0])
			r.write("HEAD", "ref: "+rel+"\n")
			r.write("refs/heads/alias", "ref: "+main+"\n")
			c := collect(t, ck, nil, r)
			first := poll(t, c, nil)
			t0 := ck.t
			ck.step()
			next := r.chain(1, "next", base[1])
			r.ref(rel, next[0])
			r.write(tt.ref, tt.holds)
			r.write("packed-refs", "# pack-refs with: peeled\n"+base[0]+" "+main+"\n^"+base[0]+"\n")
			rec := poll(t, c, first.Resume())
			o := last(rec)
			if got := shas(t, rec.Of(evidence.ChangeCommit)); !slices.Equal(got, next) || len(rec.Of(evidence.ChangeRewrite)) != 0 {
				t.Errorf("commits %v, %d rewrites", got, len(rec.Of(evidence.ChangeRewrite)))
			}
			for _, d := range rec.Of(evidence.ChangeRef) {
				if f := decode[evidence.RefFacts](t, d); !slices.Contains([]string{next[0], side[1]}, f.SHA) || strings.Contains(f.Ref, "lock") {
					t.Errorf("told: %+v", f)
				}
			}
			if tt.fine {
				if o.Incomplete != "" || len(rec.Completed) != 2 {
					t.Errorf("incomplete %q, %d lists", o.Incomplete, len(rec.Completed))
				}
				return
			}
			if !strings.Contains(o.Incomplete, "hold no object id") || strings.Contains(o.Incomplete, "Zq74") || len(rec.Completed) != 0 {
				t.Errorf("incomplete %q, %d lists", o.Incomplete, len(rec.Completed))
			}
			for _, s := range o.Seen {
				if s.Class != evidence.Blind || !s.From.Equal(t0) {
					t.Errorf("claimed %+v", s)
				}
			}
			ck.step()
			r.drop(tt.ref)
			late := r.chain(1, "late", side[1])
			r.ref(main, late[0])
			r.ref("refs/tags/v1", base[0])
			back := poll(t, c, rec.Resume())
			if got := shas(t, back.Of(evidence.ChangeCommit)); !slices.Equal(got, late) || len(back.Of(evidence.ChangeRewrite)) != 0 {
				t.Errorf("mended: commits %v, %d rewrites", got, len(back.Of(evidence.ChangeRewrite)))
			}
			if s := last(back).Seen[0]; last(back).Incomplete != "" || len(back.Completed) != 2 || s.Class != evidence.Continuous || !s.From.Equal(t0) {
				t.Errorf("mended: incomplete %q, claimed %+v", last(back).Incomplete, s)
			}
		})
	}
}

// TestOddPin: what a crash left empty in the mirror is no more than lost.
func TestOddPin(t *testing.T) {
	r := newRepo(t)
	id := r.chain(1, "x")[0]
	r.ref(pinPrefix+id, id)
	r.write(pinPrefix+strings.Repeat("b", 40), "")
	s := openMirror(r.dir)
	defer s.Close()
	pins, err := readPins(s)
	if err != nil || len(pins) != 1 || !pins[plumbing.NewHash(id)] {
		t.Errorf("pins %v, %v", pins, err)
	}
}
