package api_test

import (
	"slices"
	"strings"
	"testing"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/api/apitest"
	"evidenced/evidence/problem"
	"evidenced/store"
)

func TestPrivacyAnswers(t *testing.T) {
	alice := "github:prod|1"
	for _, tc := range []struct {
		name   string
		op     string
		params any
		want   []string
		reads  int // sealed reads, of both ways together
	}{
		{"find", "erase", api.EraseParams{Find: "ALI"}, []string{"github:prod|1", "alice", "tenant-7"}, 2},
		{"find json", "erase", api.EraseParams{Find: "ali", JSON: true}, []string{`"native_id": "1"`, `"more": false`}, 2},
		{"find nobody", "erase", api.EraseParams{Find: "bob"}, []string{"Nobody is known"}, 0},
		{"dry run", "erase", api.EraseParams{Subject: alice, DryRun: true}, []string{"Nothing is erased yet", "1 tenant, by 2 accounts"}, 2},
		{"erase", "erase", api.EraseParams{Subject: alice}, []string{
			"Erased in 1 tenant", "Logical, not cryptographic: the wrapping key was in a local file", "erasure record 12",
			"pack ab0000000000 to the auditors", "still names the person: record 1 (change.tag), content: login",
		}, 0},
		{"erase json", "erase", api.EraseParams{Subject: alice, JSON: true}, []string{`"level": "logical"`, `"identities": 2`}, 0},
		{"link", "identity-link", api.LinkParams{Tenant: "tenant-7", A: alice, B: "vault:prod|x", Approver: "github:prod|2", Reason: "r"}, []string{"one person from now on"}, 0},
		{"unlink", "identity-link", api.LinkParams{Tenant: "tenant-7", A: alice, B: "vault:prod|x", Approver: "github:prod|2", Reason: "r", End: true}, []string{"not one person any more"}, 0},
		{"backup", "keyring-backup", api.KeyBackupParams{Passphrase: "p"}, []string{"sealed"}, 0},
		{"rotate", "keyring-rotate", api.RenewParams{}, []string{"tenant-7: data key d1.2", "_platform: data key d1.2"}, 0},
		{"rotate one", "keyring-rotate", api.RenewParams{Tenant: "tenant-7"}, []string{"tenant-7: data key d1.2"}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := apitest.New()
			got, err := both(t, w, tc.op, tc.params)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tc.want {
				if !strings.Contains(got.String(), want) {
					t.Errorf("the answer has no %q:\n%s", want, got)
				}
			}
			if reads, _ := w.Reads(); len(reads) != tc.reads {
				t.Errorf("sealed reads: %q, want %d", reads, tc.reads)
			}
		})
	}
}

func TestPrivacyRefusals(t *testing.T) {
	for _, tc := range []struct {
		name   string
		op     string
		params any
		code   problem.Code
		want   string
	}{
		{"no realm", "erase", api.EraseParams{Subject: "8231"}, problem.Usage, "--subject is no person"},
		{"no id", "erase", api.EraseParams{Subject: "github:prod|"}, problem.Usage, "--subject is no person"},
		{"both", "erase", api.EraseParams{Subject: "a|b", Find: "bob"}, problem.Usage, "exclude each other"},
		{"one letter", "erase", api.EraseParams{Find: "b"}, problem.Usage, "two letters"},
		{"nobody", "erase", api.EraseParams{Subject: "github:prod|9"}, problem.NotFound, "knows this person"},
		{"own approval", "identity-link", api.LinkParams{Tenant: "tenant-7", A: "a|b", B: "c|d", Approver: "c|d"}, problem.Refused, "nobody approves"},
		{"link of nobody", "identity-link", api.LinkParams{Tenant: "tenant-7", A: "a", B: "c|d", Approver: "c|d"}, problem.Usage, "the first is no person"},
		{"link nowhere", "identity-link", api.LinkParams{A: "a|b", B: "c|d", Approver: "e|f"}, problem.Usage, "no tenant is given"},
		{"no passphrase", "keyring-backup", api.KeyBackupParams{}, problem.Usage, "no passphrase"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := both(t, apitest.New(), tc.op, tc.params); !problem.Is(err, tc.code) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s %q", err, tc.code, tc.want)
			}
		})
	}
}

// Logs without keys stand in the verdict, good or bad.
func TestVerifyTellsLogsWithoutKeys(t *testing.T) {
	w := apitest.New()
	w.Sealed = []api.SealedLog{{Log: "00112233aabbccdd", Says: "there is no keyring: verified, not read", Report: &store.Report{Records: 7}}}
	got, err := both(t, w, "verify", api.VerifyParams{})
	if err != nil || !strings.Contains(got.String(), "NO KEYS") || !strings.Contains(got.String(), "7 records verified") {
		t.Errorf("%v\n%s", err, got)
	}
	if got, err := both(t, w, "verify", api.VerifyParams{JSON: true}); err != nil || !strings.Contains(got.String(), `"log": "00112233aabbccdd"`) {
		t.Errorf("%v\n%s", err, got)
	}
	w.Sealed[0].Report.Failures = []string{"record 3: damaged"}
	if got, err := both(t, w, "verify", api.VerifyParams{}); !problem.Is(err, problem.Corrupt) || !strings.Contains(got.String(), "record 3: damaged") {
		t.Errorf("%v\n%s", err, got)
	}
	if i := slices.IndexFunc(api.Ops, func(o api.Op) bool { return o.Name == "erase" }); i < 0 {
		t.Error("there is no operation erase")
	}
}
