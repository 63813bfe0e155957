package mappings

import (
	"context"
	"fmt"
	"time"

	"evidenced/evidence"
)

var declaredCertsView = &view{
	View: View{
		Name:  "declared_certificates",
		Doc:   "Certificates that a cluster is asked to keep: one item for each that existed in the period.",
		Kinds: []evidence.Kind{evidence.CertDeclared},
		Fields: []Field{
			atEnd,
			{Name: "name", Type: "string", Doc: "namespace and name"},
			{Name: "issuer", Type: "string", Doc: "kind and name of the issuer it asks"},
			{Name: "ready", Type: "bool", Optional: true, Doc: "ready at the end of the period or when it went"},
			{Name: "blind", Type: "bool", Doc: "for some of the time that it existed in the period nobody looked at it"},
			{Name: "longest_not_ready", Type: "duration", Doc: "longest stretch in which it was seen not ready, without a blind window in it"},
			{Name: "longest_possible_not_ready", Type: "duration", Doc: "as longest_not_ready, counting blind windows and unknown states as not ready"},
			{Name: "longest_overdue", Type: "duration", Optional: true, Doc: "longest time that it was seen in force after its renewal time; zero when never. Missing where no renewal time is named"},
			{Name: "longest_possible_overdue", Type: "duration", Optional: true, Doc: "as longest_overdue, up to the look that first showed it renewed or gone"},
			{Name: "key_rotated", Type: "bool", Optional: true, Doc: "a renewal makes a new key; missing where the version's default holds"},
		},
	},
	build: subjectItems(evidence.CertDeclared, (*scene).declaredCert),
}

func (s *scene) declaredCert(sts []stretch[evidence.CertDeclaredFacts]) *item {
	last, _ := newestOf(sts)
	f := &last.facts
	it := subjectItem(sts, evidence.CertDeclared, "declared certificate "+f.Namespace+"/"+f.Name)
	it.set("name", f.Namespace+"/"+f.Name).set("issuer", f.IssuerKind+"/"+f.IssuerName)
	it.setReady(f.Ready, f.Reason)
	out := longest(s, evidence.CertDeclared, sts, func(f *evidence.CertDeclaredFacts) tri { return readyIs(f.Ready).not() })
	it.notReady(out)
	switch f.KeyRotation {
	case "Always", "Never":
		it.set("key_rotated", f.KeyRotation == "Always")
	default:
		it.lacks("key_rotated", "the version's default holds, and the version is not known")
	}
	s.overdue(it, sts)
	return it
}

// setReady sets the field ready from a condition's word.
func (it *item) setReady(word, reason string) {
	switch readyIs(word) {
	case yes:
		it.set("ready", true)
	case no:
		it.set("ready", false)
		it.why["ready"] = "not ready, reason " + short(reason)
	default:
		it.lacks("ready", "the source does not say whether it is ready")
	}
}

// notReady sets the fields of how long something was not ready.
func (it *item) notReady(out spell) {
	it.set("blind", out.blind).set("longest_not_ready", out.sure).set("longest_possible_not_ready", out.possible)
	if out.sure > 0 {
		it.why["longest_not_ready"] = fmt.Sprintf("not ready for %s from %s", human(out.sure.Truncate(time.Second)), evidence.FormatTime(out.from))
		it.front(out.seqs...)
	}
}

// overdue measures how long a certificate stayed in force past its renewal
// time: up to the last look that showed it for sure, up to the first that
// showed another at most. States that keep the same renewal time are one.
func (s *scene) overdue(it *item, sts []stretch[evidence.CertDeclaredFacts]) {
	var sure, possible time.Duration
	unnamed := false
	for i := range sts {
		st := &sts[i]
		due := st.facts.RenewalAt
		if due.IsZero() {
			// One that was never issued has none yet: that it is not ready tells.
			unnamed = unnamed || readyIs(st.facts.Ready) == yes
			continue
		}
		end := st.end(s.period)
		held := s.heldUntil(evidence.CertDeclared, st.source, st.from, end, st.lastLook, st.until.IsZero())
		if i+1 < len(sts) && sts[i+1].facts.RenewalAt.Equal(due) {
			held = end // the next state shows that it still held
		}
		if d := held.Sub(due); d > sure {
			sure = d
			it.why["longest_overdue"] = fmt.Sprintf("due for renewal at %s, still in force at %s", evidence.FormatTime(due), evidence.FormatTime(held))
			it.front(st.seq)
		}
		possible = max(possible, end.Sub(due))
	}
	if unnamed {
		it.lacks("longest_overdue", "the source names no renewal time").lacks("longest_possible_overdue", "the source names no renewal time")
		if sure == 0 {
			return
		}
	}
	it.set("longest_overdue", sure).set("longest_possible_overdue", possible)
}

// heldUntil returns the last time at which a state was surely in force: the
// last look that showed it, or its end where the source itself dates that.
func (s *scene) heldUntil(kind evidence.Kind, id evidence.SourceID, from, end, lastLook time.Time, open bool) time.Time {
	sure := end
	switch {
	case open:
		sure = s.cover.lastLook(id, kind, end)
	case !lastLook.IsZero():
		sure = lastLook
	}
	if sure.Before(from) {
		return from
	}
	return earlier(sure, end)
}

var certRequestsView = &view{
	View: View{
		Name:  "certificate_requests",
		Doc:   "Requests for certificates of the period, each with what came of it. Who approved one stands in the cluster's audit log alone.",
		Kinds: []evidence.Kind{evidence.CertRequest},
		Fields: []Field{
			{Name: "name", Type: "string", Doc: "namespace and name"},
			{Name: "certificate", Type: "string", Doc: "declared certificate it is for; empty for one made by hand"},
			{Name: "issuer", Type: "string", Doc: "kind and name of the issuer it asks"},
			{Name: "approval", Type: "string", Doc: "approved, denied or waiting"},
			{Name: "approver", Type: "string", Doc: "reason that stands with the approval: the approver's own word for itself"},
			{Name: "status", Type: "string", Doc: "waiting, issued, failed, denied or invalid"},
			{Name: "issued", Type: "bool", Doc: "a certificate came of it"},
			{Name: "account", Type: "string", Doc: "service account that asked, namespace/name; empty for a person"},
			{Name: "approver_seen", Type: "bool", Optional: true, Doc: "the audit log names an authenticated person who approved it; missing where nobody kept that log"},
		},
	},
	build:  buildCertRequests,
	steady: true,
}

func buildCertRequests(ctx context.Context, s *scene, yield func(*item) error) error {
	var approvals *approvals // read when the first request asks for them
	return events(ctx, s, func(r *evidence.Record, seqs []uint64) error {
		var f evidence.CertRequestFacts
		if err := r.Decode(&f); err != nil {
			return err
		}
		if approvals == nil {
			var err error
			if approvals, err = s.approvals(ctx); err != nil {
				return err
			}
		}
		it := newItem(r, r.Occurred, "certificate request "+f.Namespace+"/"+f.Name)
		it.seqs = seqs
		it.set("source", string(r.Source)).set("happened", r.Occurred).set("name", f.Namespace+"/"+f.Name)
		it.set("certificate", f.Certificate).set("issuer", f.IssuerKind+"/"+f.IssuerName)
		it.set("approval", f.Approval).set("approver", f.ApprovalReason).set("status", f.Status)
		it.set("issued", f.Status == "issued").set("account", f.Account)
		if f.Approval != "approved" {
			it.why["approval"] = "its approval is " + short(f.Approval)
		}
		it.why["approver"] = "the approver calls itself " + short(f.ApprovalReason)
		if line, ok := approvals.of[f.Cluster+"\x00"+f.Namespace+"/"+f.Name]; ok {
			it.set("approver_seen", line.known)
			it.also(line.seq)
			it.why["approver_seen"] = "the audit log does not vouch for who approved it"
		} else if approvals.kept {
			it.lacks("approver_seen", "the audit log holds no approval of it")
		} else {
			it.unseen("approver_seen", "no audit log of its cluster was seen")
		}
		return yield(it)
	}, evidence.CertRequest)
}

// approvals are the changes of the status of certificate requests, as the
// audit log tells them: that is where an approval stands.
type approvals struct {
	of   map[string]approvalLine // by cluster, namespace/name
	kept bool                    // some audit log of a cluster was read
}

type approvalLine struct {
	seq   uint64
	known bool // the cluster logged in who it was
}

func (s *scene) approvals(ctx context.Context) (*approvals, error) {
	a := &approvals{of: map[string]approvalLine{}}
	for r, err := range s.reader.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.AccessAudit}, Period: s.period}) {
		if err != nil {
			return nil, fmt.Errorf("audit lines: %w", err)
		}
		var f evidence.AuditFacts
		if err := r.Decode(&f); err != nil {
			return nil, err
		}
		if f.Platform != platformKubernetes {
			continue
		}
		a.kept = true
		if f.Resource != "certificaterequests" || f.Outcome != "ok" || f.Subresource != "status" && f.Subresource != "approval" {
			continue
		}
		// Issuers write the status too, as accounts of their own. What a person
		// writes there is an approval or a denial.
		if f.Account != "" {
			continue
		}
		key := r.Subject.Authority + "\x00" + f.Namespace + "/" + f.Name
		who := f.Who >= 0 && f.Who < len(r.People) && proven(r.People[f.Who])
		a.of[key] = approvalLine{r.Seq, who && !f.Unauthenticated}
	}
	return a, nil
}
