package forge

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"evidenced/evidence"
)

func TestTrailers(t *testing.T) {
	message := strings.Join([]string{
		"Raise limits", "", "Seen by: nobody <x@example.org>", "words Co-authored-by: In Line <line@example.org>",
		"Co-authored-by: Mira K <Mira@Example.org>", "CO-AUTHORED-BY: <bare@example.org>\r", "Reviewed-by: Jonas <jonas@example.org>  ",
		"Signed-off-by: Carol <carol@example.org>", "Co-authored-by: no mail", "Co-authored-by: Mira again <mira@example.org>",
	}, "\n")
	p := People{}
	p.Claimed(evidence.RoleAuthor, "Carol", "carol@example.org")
	co := p.Trailed(evidence.RoleAuthor, message)
	var got []string
	for i, n := range p.List {
		got = append(got, fmt.Sprintf("%s %s %t", n.Role, n.NativeID, slices.Contains(co, i)))
		if n.Realm != "git:claimed" || n.Proof != evidence.ProofClaimed {
			t.Errorf("%+v", n)
		}
	}
	want := []string{"author carol@example.org false", "author mira@example.org true", "author bare@example.org true", "mentioned jonas@example.org false", "mentioned carol@example.org false"}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	long := People{}
	long.Trailed(evidence.RoleAuthor, strings.Repeat("x", 10)+"\n"+func() (s string) {
		for i := range 1000 {
			s += fmt.Sprintf("Co-authored-by: N <%d@example.org>\n", i)
		}
		return s
	}())
	if len(long.List) != evidence.MaxPeople {
		t.Errorf("%d people of a message of a thousand", len(long.List))
	}
}

func FuzzTrailers(f *testing.F) {
	f.Add("x\n\nCo-authored-by: A <a@example.org>\nReviewed-by: <b@example.org>\r\n")
	f.Fuzz(func(t *testing.T, message string) {
		for _, tr := range Trailers(message) {
			if tr.Mail == "" && tr.Name == "" && !strings.Contains(message, "<") || strings.ContainsAny(tr.Name+tr.Mail, "\r\n") {
				t.Errorf("%q: %+v", message, tr)
			}
		}
	})
}
