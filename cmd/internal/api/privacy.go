package api

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/reports"
	"evidenced/store"
)

// Privacy is what a World does with the keys of people.
type Privacy interface {
	// FindPeople lists people by a part of a name, over all tenants; more says
	// that there are more.
	FindPeople(ctx context.Context, text string) (found []store.Candidate, more bool, err error)
	// Erase erases a person in every tenant and seals in _platform that it was
	// done.
	Erase(ctx context.Context, rq store.EraseRequest) (*store.Erased, error)
	// Link records that two persons of a tenant's log are one, or no longer.
	Link(ctx context.Context, t evidence.Tenant, rq store.LinkRequest) error
	// BackupKeys writes a copy of the keyring, sealed under the passphrase.
	BackupKeys(ctx context.Context, w io.Writer, passphrase string) error
	// RenewKeys gives a tenant's log a new data key from now on and returns its
	// id.
	RenewKeys(ctx context.Context, t evidence.Tenant) (id string, err error)
	// VerifySealed verifies the logs that the keyring has no keys for.
	VerifySealed(ctx context.Context) ([]SealedLog, error)
}

// SealedLog is the verdict on a log that nobody has keys for.
type SealedLog struct {
	Log    string        `json:"log"`             // id: the second part of the origin
	Ended  bool          `json:"ended,omitempty"` // its tenant was taken off: hashes and checkpoints are left
	Says   string        `json:"says"`
	Report *store.Report `json:"report"`
}

// parseIdentity reads REALM|NATIVEID.
func parseIdentity(flag, s string) (store.Identity, error) {
	realm, id, ok := strings.Cut(s, "|")
	if !ok || realm == "" || id == "" || len(s) > evidence.MaxKey {
		return store.Identity{}, problem.New(problem.Usage, "%s is no person", flag).
			WithHint("give realm and native id, such as \"github:prod|8231\"; evidenced erase --find NAME lists them")
	}
	return store.Identity{Realm: realm, NativeID: id}, nil
}

// EraseParams ask for somebody to be found or erased.
type EraseParams struct {
	Find      string `json:"find,omitempty"`    // a part of a name: only list who it is
	Subject   string `json:"subject,omitempty"` // REALM|NATIVEID
	Authority string `json:"authority,omitempty"`
	Reason    string `json:"reason,omitempty"`
	DryRun    bool   `json:"dry_run,omitempty"`
	JSON      bool   `json:"json,omitempty"`
	Width     int    `json:"width,omitempty"`
	Colour    bool   `json:"colour,omitempty"`
}

func erase(ctx context.Context, c *call) error {
	var p EraseParams
	if err := c.decode(&p); err != nil {
		return err
	}
	style := reports.Style{Width: p.Width, Colour: p.Colour}
	if p.Find != "" {
		if p.Subject != "" {
			return problem.New(problem.Usage, "--find and --subject exclude each other").WithHint("find first, then erase")
		}
		return c.find(ctx, p, style)
	}
	subject, err := parseIdentity("--subject", p.Subject)
	if err != nil {
		return err
	}
	rq := store.EraseRequest{Subject: subject, Authority: p.Authority, Reason: p.Reason, By: strconv.Itoa(c.UID), DryRun: p.DryRun, Progress: c.progress}
	res, err := c.Erase(ctx, rq)
	if err != nil {
		return err
	}
	if p.DryRun {
		for _, l := range slices.Concat(res.Logs, res.Elsewhere) {
			if err := c.sealRead(ctx, l.Tenant); err != nil {
				return err
			}
		}
	}
	if p.JSON {
		return c.document(res)
	}
	return tellErased(c.page(style), res)
}

// sealRead seals that the tenant's people were looked at, before the answer.
func (c *call) sealRead(ctx context.Context, t evidence.Tenant) error {
	r, err := c.Reader(ctx, t)
	if err != nil {
		return err
	}
	return c.Read(ctx, t, evidence.ReadFacts{Command: c.op, Via: c.Via, UID: c.UID, Size: r.Size()})
}

func (c *call) find(ctx context.Context, p EraseParams, style reports.Style) error {
	if len(p.Find) < 2 || len(p.Find) > evidence.MaxKey {
		return problem.New(problem.Usage, "--find takes a part of a name, of at least two letters")
	}
	found, more, err := c.FindPeople(ctx, p.Find)
	if err != nil {
		return err
	}
	told := map[evidence.Tenant]bool{}
	for _, f := range found {
		for _, t := range f.Tenants {
			if !told[t] {
				if err := c.sealRead(ctx, t); err != nil {
					return err
				}
				told[t] = true
			}
		}
	}
	if p.JSON {
		return c.document(map[string]any{"people": found, "more": more})
	}
	w := c.begin(MediaText)
	if len(found) == 0 {
		_, err := fmt.Fprintln(w, "Nobody is known by such a name; who was erased is not found any more.")
		return err
	}
	t := reports.Table{Columns: []reports.Column{{Title: "PERSON", Keep: true}, {Title: "LOGIN"}, {Title: "NAME"}, {Title: "MAIL"}, {Title: "KNOWN IN"}}}
	for _, f := range found {
		var in []string
		for _, tn := range f.Tenants {
			in = append(in, tn.String())
		}
		t.Row(f.Realm+"|"+f.NativeID, f.Names.Login, f.Names.Display, f.Names.Mail, strings.Join(in, ", "))
	}
	if err := t.Write(w, style); err != nil {
		return err
	}
	if more {
		_, err = fmt.Fprintln(w, "and more: give a longer part of the name")
	}
	return err
}

// tellErased says what was done, and what is out of reach.
func tellErased(p *page, e *store.Erased) error {
	style := p.Style
	tenants, accounts := reports.Count(len(e.Logs), "tenant"), reports.Count(e.Identities, "account")
	switch {
	case e.DryRun:
		p.Para("", fmt.Sprintf("Nothing is erased yet: the person is known in %s, by %s.", tenants, accounts))
	case e.Level == evidence.Cryptographic:
		p.Para("", fmt.Sprintf("Erased in %s, by %s: keys and tokens are destroyed, also for every copy of the keyring.", tenants, accounts))
	default:
		p.Para("", fmt.Sprintf("Erased in %s, by %s: keys and tokens are destroyed here.", tenants, accounts))
		p.PaintedPara("", style.Warn, "Logical, not cryptographic: "+e.Why+".")
	}
	for _, l := range e.Logs {
		line := fmt.Sprintf("  %s: %s of the person", l.Tenant, reports.Count(int(l.Records), "record"))
		if l.Record > 0 {
			line += fmt.Sprintf("; erasure record %d", l.Record)
		}
		p.Line(line)
		for _, k := range l.Packs {
			to := ""
			if k.Recipient != "" {
				to = " to " + k.Recipient
			}
			p.PaintedPara("    ", style.Warn, fmt.Sprintf("issued before, with the person in it: pack %s%s, %s (record %d); ask who has it to drop it",
				k.Manifest.String()[:12], to, k.Issued.UTC().Format("2 Jan 2006 15:04 UTC"), k.Seq))
		}
		if len(l.Still) == 0 {
			p.Para("    ", fmt.Sprintf("%s opened and searched: none names the person", reports.Count(int(l.Searched), "claim")))
		}
		p.naming(l)
	}
	for _, l := range e.Elsewhere {
		p.Line(fmt.Sprintf("  %s: its log never knew the person", l.Tenant))
		p.naming(l)
	}
	for _, t := range e.Unsearched {
		p.PaintedPara("  ", style.Bad, fmt.Sprintf("%s: its log could not be read to its end, so it is not known whether it names the person", t))
	}
	return p.Err()
}

// naming tells the claims of a log that name an erased person.
func (p *page) naming(l store.ErasedLog) {
	style := p.Style
	for _, n := range l.Still {
		p.PaintedPara("    ", style.Bad, fmt.Sprintf("still names the person: record %d (%s), %s: %s", n.Seq, n.Kind, n.Claim, strings.Join(n.What, ", ")))
	}
	if l.More > 0 {
		p.Line(fmt.Sprintf("    and %s more", reports.Count(int(l.More), "claim")))
	}
	if l.Damaged > 0 {
		p.Line(style.Bad(fmt.Sprintf("    %s could not be read, and so not searched", reports.Count(int(l.Damaged), "damaged claim"))))
	}
}

// LinkParams ask for a link between two persons of a tenant.
type LinkParams struct {
	Tenant   string `json:"tenant"`
	A        string `json:"a"` // REALM|NATIVEID, as all three
	B        string `json:"b"`
	Approver string `json:"approver"`
	Reason   string `json:"reason"`
	End      bool   `json:"end,omitempty"`
}

func linkPeople(ctx context.Context, c *call) error {
	var p LinkParams
	if err := c.decode(&p); err != nil {
		return err
	}
	t, err := c.tenant(ctx, p.Tenant)
	if err != nil {
		return err
	}
	rq := store.LinkRequest{By: strconv.Itoa(c.UID), Reason: p.Reason, End: p.End}
	for _, f := range []struct {
		flag, text string
		to         *store.Identity
	}{{"the first", p.A, &rq.A}, {"the second", p.B, &rq.B}, {"--approved-by", p.Approver, &rq.Approver}} {
		if *f.to, err = parseIdentity(f.flag, f.text); err != nil {
			return err
		}
	}
	if err := c.Link(ctx, t, rq); err != nil {
		return err
	}
	says := "recorded: the two are one person from now on"
	if p.End {
		says = "recorded: the two are not one person any more"
	}
	_, err = fmt.Fprintf(c.begin(MediaText), "%s, in the log of %s\n", says, t)
	return err
}

// KeyBackupParams ask for a copy of the keyring. The reply is the copy.
type KeyBackupParams struct {
	Passphrase string `json:"passphrase"`
}

func backupKeys(ctx context.Context, c *call) error {
	var p KeyBackupParams
	if err := c.decode(&p); err != nil {
		return err
	}
	return c.BackupKeys(ctx, c.begin(MediaBinary), p.Passphrase)
}

// MediaBinary is the media type of a sealed copy.
const MediaBinary = "application/octet-stream"

// RenewParams ask for new data keys.
type RenewParams struct {
	Tenant string `json:"tenant,omitempty"` // "": all
}

func renewKeys(ctx context.Context, c *call) error {
	var p RenewParams
	if err := c.decode(&p); err != nil {
		return err
	}
	ts, err := c.tenantOrAll(ctx, p.Tenant)
	if err != nil {
		return err
	}
	w := c.begin(MediaText)
	for _, t := range ts {
		id, err := c.RenewKeys(ctx, t)
		if err != nil {
			return fmt.Errorf("new data key of %s: %w", t, err)
		}
		if _, err := fmt.Fprintf(w, "%s: data key %s from the next record on; older ones stay for reading\n", t, id); err != nil {
			return err
		}
	}
	return nil
}

// sealed adds the logs without keys to the verdicts.
func (c *call) sealed(ctx context.Context, v *Verified) error {
	var err error
	if v.Sealed, err = c.VerifySealed(ctx); err != nil {
		return fmt.Errorf("verify logs without keys: %w", err)
	}
	for _, s := range v.Sealed {
		v.OK = v.OK && s.Report.OK()
	}
	return nil
}

// sealedLogs writes the verdicts on logs without keys.
func (p *page) sealedLogs(list []SealedLog) {
	style := p.Style
	for _, s := range list {
		word, counts := style.Warn("NO KEYS "), fmt.Sprintf("%s verified, %s; ", reports.Count(int(s.Report.Records), "record"), reports.Count(int(s.Report.Claims), "sealed claim"))
		if s.Ended {
			word, counts = style.Bold("ENDED   "), ""
		}
		if !s.Report.OK() {
			word = style.Bad("FAILED  ")
		}
		p.Para(word+"  ", fmt.Sprintf("log %s: %s%s", s.Log, counts, s.Says))
		for _, f := range s.Report.Failures {
			p.PaintedPara(below, style.Bad, f)
		}
		for _, v := range s.Report.Verdicts() {
			// Completeness and claims are what nobody can tell without keys.
			if !s.Ended && (v.About == "integrity" || v.About == "signatures") {
				p.verdict(v)
			}
		}
	}
}
