package github

import (
	"fmt"
	"testing"

	"evidenced/evidence"
)

// TestNobodysAccounts: what deleted accounts did stands under one account for
// all of them, and an import puts mannequins in the place of people.
func TestNobodysAccounts(t *testing.T) {
	clock := now
	sha := fmt.Sprintf("%040x", 1)
	ghost := `{"login":"ghost","id":10137,"type":"User"}`
	rec := lookAt(t, standIn(t, wild(map[string]string{
		"pulls/1":         fmt.Sprintf(`{"number":1,"state":"closed","merged":true,"merged_at":%q,"updated_at":%q,"head":{"sha":%q},"base":{"ref":"main"},"user":%s,"merged_by":%s,"changed_files":1}`, yesterday, yesterday, sha, ghost, ghost),
		"pulls/1/reviews": fmt.Sprintf(`[{"id":5,"user":%s,"state":"APPROVED","commit_id":%q,"submitted_at":%q},{"id":6,"user":{"login":"old-acme","id":77,"type":"Mannequin"},"state":"APPROVED","commit_id":%q,"submitted_at":%q}]`, ghost, sha, yesterday, sha, yesterday),
		"deployments":     fmt.Sprintf(`[{"id":4,"sha":%q,"created_at":%q,"creator":%s}]`, sha, yesterday, ghost),
	}), 1, &clock, nil), clock, nil)
	whole(t, rec)
	d := rec.Of(evidence.ChangeMerge)[0]
	f := factsOf[evidence.MergeFacts](t, d)
	if f.Author != -1 || f.Merger != -1 || f.Reviews[0].Person != -1 {
		t.Errorf("deleted accounts are somebody: %+v", f)
	}
	if i := f.Reviews[1].Person; i < 0 || d.People[i].Proof != evidence.ProofClaimed {
		t.Errorf("a mannequin was logged in: %+v of %+v", f.Reviews, d.People)
	}
	for _, d := range rec.Drafts {
		for _, p := range d.People {
			if p.NativeID == "10137" {
				t.Errorf("%s names the account of deleted ones", d.Key)
			}
		}
	}
}
