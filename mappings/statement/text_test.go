package statement

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/problem"
)

func tenant(t testing.TB, name string) evidence.Tenant {
	t.Helper()
	x, err := evidence.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

var made = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

// whole is a waiver with every line it may have.
func whole(t testing.TB) *Statement {
	return &Statement{
		Type: Waiver, Tenant: tenant(t, "tenant-7"), Origin: "test/tenant-7", Name: "late-cert", Made: made, Maker: Account{"github:prod", "8231"},
		Controls: []evidence.ControlID{"gdpr-art-32-1-a"}, Tests: []evidence.WaivedTest{{Test: "cert-valid", Rule: evidence.Hash{1}}, {Test: "tls-ok", Rule: evidence.Hash{2}}},
		Records: []uint64{7, 40101}, Subjects: []evidence.Ref{evidence.NewRef("cert", "", "web.example:443/web.example")},
		From: made.Add(time.Hour), Until: made.Add(30 * 24 * time.Hour), Reason: "the authority is late\n\n=1+1 <b> (x) Tj שלום 契約",
	}
}

func TestTextIsExact(t *testing.T) {
	w := whole(t)
	evidencetest.Golden(t, "waiver.statement", w.Text())
	a := &Statement{
		Type: Attestation, Tenant: w.Tenant, Origin: w.Origin, Name: "art-30", Made: made, Maker: w.Maker, Until: made.Add(200 * 24 * time.Hour),
		Controls: []evidence.ControlID{"gdpr-art-30-1-g", "nis2-art-20-2"}, Document: &Document{evidence.Hash{3}, 1 << 30, "application/pdf"}, Reason: "signed by the board",
	}
	evidencetest.Golden(t, "attestation.statement", a.Text())
	s := &Statement{Type: Scope, Tenant: w.Tenant, Origin: w.Origin, Name: "no-cards", Made: made, Maker: w.Maker, Controls: a.Controls[:1], Reason: "no such data"}
	evidencetest.Golden(t, "scope.statement", s.Text())
	for _, x := range []*Statement{w, a, s} {
		back, err := Parse(x.Text())
		if err != nil {
			t.Fatalf("%s: %v", x, err)
		}
		if !bytes.Equal(back.Text(), x.Text()) || back.Hash() != x.Hash() {
			t.Errorf("%s: read back it says\n%s", x, back.Text())
		}
	}
}

// One statement has one text: whatever else says the same is refused, and every
// change is another statement.
func TestOtherTextsAreRefused(t *testing.T) {
	good := string(whole(t).Text())
	for _, tc := range []struct{ name, from, to, want string }{
		{"no header", Header, "evidenced-statement/v2", "line 1"},
		{"no final newline", "契約\n", "契約", "as evidenced writes it"},
		{"carriage returns", "tenant: tenant-7\n", "tenant: tenant-7\r\n", "tenant"},
		{"another order", "record: 7\nrecord: 40101", "record: 40101\nrecord: 7", "out of order"},
		{"twice", "name: late-cert\n", "name: late-cert\nname: late-cert\n", "as evidenced writes it"},
		{"an unknown line", "name: late-cert\n", "name: late-cert\nurgent: yes\n", "no such line"},
		{"no value", "name: late-cert", "name", "NAME: VALUE"},
		{"upper case", "name: late-cert", "name: Late", "no name"},
		{"a path for a name", "name: late-cert", "name: ../x", "no name"},
		{"an unknown type", "type: waiver", "type: wavier", "no type"},
		{"a space more", "until: 2026", "until:  2026", "no time that exists"},
		{"an impossible date", "until: 2026-12-20T", "until: 2026-02-30T", "no time that exists"},
		{"a leap second", "until: 2026-12-20T09:00:00Z", "until: 2026-12-31T23:59:60Z", "no time that exists"},
		{"a zone", "until: 2026-12-20T09:00:00Z", "until: 2026-12-20T10:00:00+01:00", "no time that exists"},
		{"no such year", "until: 2026-12-20T", "until: 9999-12-20T", "until"},
		{"upside down", "until: 2026-12-20T", "until: 2026-11-20T", "upside down"},
		{"no end", "until: 2026-12-20T09:00:00Z\n", "", "no end"},
		{"too long a life", "until: 2026-12-20T", "until: 2029-12-20T", "at most 366 days"},
		{"no tenant", "tenant: tenant-7", "tenant: ", "tenant"},
		{"nobody's tenant", "tenant: tenant-7", "tenant: _unassigned", "nothing is said about it"},
		{"no maker", "maker: github:prod|8231", "maker: somebody", "no account"},
		{"a rule in capitals", "test: cert-valid 01", "test: cert-valid 0A", "hex"},
		{"no tests", "test: cert-valid ", "test: ", "hash"},
		{"a record of letters", "record: 7\n", "record: seven\n", "record"},
		{"a record in another form", "record: 7\n", "record: 07\n", "as evidenced writes it"},
		{"an unknown subject", "subject: cert:", "subject: thing:", "scheme"},
		{"a document", "until: 2026-12-20T09:00:00Z\n", "until: 2026-12-20T09:00:00Z\ndocument: " + strings.Repeat("a", 64) + " 7 text/plain\n", "no document"},
		{"reason of nothing", " the authority is late\n \n =1+1 <b> (x) Tj שלום 契約\n", " \n", "there is none"},
		{"reason without its space", "\n the authority", "\nthe authority", "begins with a space"},
		{"a mark that turns text round", "the authority", "the \u202eauthority", "direction"},
		{"an escape", "the authority", "the \x1b[2Jauthority", "control"},
		{"no UTF-8", "the authority", "the \xff authority", "UTF-8"},
	} {
		text := strings.Replace(good, tc.from, tc.to, 1)
		if text == good {
			t.Fatalf("%s: nothing was changed", tc.name)
		}
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(fmt.Sprint(err), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	if _, err := Parse(bytes.Repeat([]byte("x"), MaxText+1)); !problem.Is(err, problem.Refused) {
		t.Errorf("a long text: %v", err)
	}
	// Every byte counts: none can be flipped without another statement or an error.
	for i := range good {
		bad := []byte(good)
		bad[i] ^= 1
		if s, err := Parse(bad); err == nil && s.Hash() == whole(t).Hash() {
			t.Fatalf("byte %d does not count", i)
		}
	}
}

func FuzzParse(f *testing.F) {
	w := whole(f)
	f.Add(w.Text())
	w.Type, w.Tests, w.Records, w.Subjects = Attestation, nil, nil, nil
	w.Document = &Document{evidence.Hash{3}, 7, "text/plain"}
	f.Add(w.Text())
	f.Add([]byte(Header + "\nreason:\n x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			if p := problem.Of(err); p == nil || p.Hint == "" && p.Code == problem.Refused {
				t.Errorf("no problem for people: %v", err)
			}
			return
		}
		if !bytes.Equal(s.Text(), text) || s.Check() != nil {
			t.Errorf("%q is read as %q", text, s.Text())
		}
	})
}
