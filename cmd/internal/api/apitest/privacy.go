package apitest

import (
	"context"
	"io"
	"strings"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
)

// FindPeople implements api.Privacy: alice alone is known.
func (w *World) FindPeople(_ context.Context, text string) ([]store.Candidate, bool, error) {
	if !strings.Contains("alice", strings.ToLower(text)) {
		return nil, false, nil
	}
	return []store.Candidate{{Realm: "github:prod", NativeID: "1", Names: evidence.Names{Login: "alice"}, Tenants: []evidence.Tenant{tenant("tenant-7")}}}, false, nil
}

// Erase implements api.Privacy: alice has one token, and one claim still names
// her.
func (w *World) Erase(_ context.Context, rq store.EraseRequest) (*store.Erased, error) {
	if rq.Subject != (store.Identity{Realm: "github:prod", NativeID: "1"}) {
		return nil, problem.New(problem.NotFound, "no tenant's log knows this person")
	}
	l := store.ErasedLog{Tenant: tenant("tenant-7"), Records: 2, Searched: 9, Still: []store.Naming{{Seq: 1, Kind: evidence.ChangeTag, Claim: "content", What: []string{"login"}}},
		Packs: []store.PackNaming{{Seq: 3, Manifest: evidence.Hash{0xab}, Issued: Now, Recipient: "the auditors"}}}
	e := &store.Erased{DryRun: rq.DryRun, Identities: 2, Logs: []store.ErasedLog{l}}
	if !rq.DryRun {
		e.Level, e.Why, e.Logs[0].Record = evidence.Logical, "the wrapping key was in a local file", 12
	}
	return e, nil
}

// Link implements api.Privacy.
func (w *World) Link(_ context.Context, t evidence.Tenant, rq store.LinkRequest) error {
	if rq.Approver == rq.A || rq.Approver == rq.B {
		return problem.New(problem.Refused, "nobody approves the link of their own accounts")
	}
	return nil
}

// BackupKeys implements api.Privacy.
func (w *World) BackupKeys(_ context.Context, out io.Writer, passphrase string) error {
	if passphrase == "" {
		return problem.New(problem.Usage, "no passphrase")
	}
	_, err := io.WriteString(out, "sealed")
	return err
}

// RenewKeys implements api.Privacy.
func (w *World) RenewKeys(context.Context, evidence.Tenant) (string, error) { return "d1.2", nil }

// VerifySealed implements api.Privacy: every log has its keys.
func (w *World) VerifySealed(context.Context) ([]api.SealedLog, error) { return w.Sealed, nil }
