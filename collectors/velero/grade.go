package velero

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// The three answers to whether a rung holds.
const (
	yes     = "yes"
	no      = "no"
	unknown = "unknown"
)

// answer is whether something holds, and why.
type answer struct{ holds, why string }

func yesBecause(format string, args ...any) answer { return answer{yes, fmt.Sprintf(format, args...)} }
func noBecause(format string, args ...any) answer  { return answer{no, fmt.Sprintf(format, args...)} }
func unknownBecause(format string, args ...any) answer {
	return answer{unknown, fmt.Sprintf(format, args...)}
}

// all holds when every one does: a no outweighs an unknown, an unknown a yes.
func all(as ...answer) answer {
	for _, holds := range []string{no, unknown, yes} {
		var whys []string
		for _, a := range as {
			if a.holds == holds {
				whys = append(whys, a.why)
			}
		}
		const most = 5
		if n := len(whys) - most; n > 0 {
			whys = append(whys[:most:most], fmt.Sprintf("and %d more", n))
		}
		if len(whys) > 0 {
			return answer{holds, strings.Join(whys, "; ")}
		}
	}
	return answer{unknown, "nothing was looked at"}
}

// grade judges a restore test that has ended. It is pure: everything it looks
// at stands in t and cfg; now decides only how long checks are waited for.
//
// The ladder, each rung asking for all rungs below it:
//
//	0 attempted  the restore was asked for
//	1 ran        it came to an end: Completed or PartiallyFailed
//	2 clean      Completed; no error, no failed hook; all item operations done
//	3 complete   the agreed share of the backup's items of the scope was
//	             brought back, into an empty target or object by object, and
//	             the data of every volume; nothing was left out
//	4 verified   an application's own check passed afterwards, and none failed
//	5 in time    it took no longer than the recovery time agreed, and what it
//	             brought back was no older than the recovery point
//
// What Velero itself counts as restored is no proof: at its end it sets total
// and restored to the number of items it handled, and an object that was there
// already is a warning, not an error.
func grade(t *test, cfg *Config, now time.Time) evidence.RestoreTestFacts {
	r := &t.Restore
	f := evidence.RestoreTestFacts{
		Restore: r.Namespace + "/" + r.Name, UID: r.UID, Backup: r.Backup, Plan: r.Plan,
		StartedAt: r.Start, FinishedAt: r.End, Checks: slices.Clone(t.Checks),
	}
	if t.Backup != nil {
		f.PointAt = t.Backup.End
	}
	f.Volumes, f.Bytes = t.Volumes.tries(), t.Volumes.Bytes
	items := itemCount(t)
	f.Restored, f.BackedUp = items.restored, items.backedUp
	in := times(t, cfg, &f)
	var missing []string
	for i, a := range []answer{
		yesBecause("the restore was asked for"), ran(r), clean(r), complete(t, cfg, items), verified(t, cfg, now), in,
	} {
		f.Rungs = append(f.Rungs, evidence.RestoreRung{Grade: i, Holds: a.holds, Why: a.why})
		if a.holds == yes && f.Grade == i-1 {
			f.Grade = i
		} else if a.holds != yes && f.Stopped == "" {
			f.Stopped = a.why
		}
		if a.holds == unknown {
			missing = append(missing, a.why)
		}
	}
	f.Unknown = missing
	return f
}

// ran: a terminal phase other than those of a restore that could not run.
func ran(r *restoreSum) answer {
	switch r.Phase {
	case completed, partiallyFailed:
		return yesBecause("its phase is %s", r.Phase)
	case failed, failedValidation:
		return noBecause("its phase is %s", r.Phase)
	}
	if r.Lost {
		return howItEnded(r)
	}
	return noBecause("it was deleted in phase %s, before it had ended", r.Phase)
}

// howItEnded: a restore that went while nobody looked may have ended before that.
func howItEnded(r *restoreSum) answer {
	return unknownBecause("it was in phase %s when it was last seen, and how it ended is not known", r.Phase)
}

func clean(r *restoreSum) answer {
	if r.Lost {
		return howItEnded(r)
	}
	as := []answer{}
	if r.Phase != completed {
		as = append(as, noBecause("its phase is %s with %d errors", r.Phase, r.Errors))
	} else if r.Errors > 0 {
		as = append(as, noBecause("%d errors", r.Errors))
	} else if r.Failed {
		// A server that starts marks what it finds running as failed; what waits
		// for plugins may still go on to Completed.
		as = append(as, noBecause("it was marked as failed on the way, though it ended as Completed"))
	}
	if h := r.Hooks; h != nil && h.Failed > 0 {
		as = append(as, noBecause("%d of %d hooks failed", h.Failed, h.Attempted))
	}
	if o := r.Ops; o != nil && (o.Failed > 0 || o.Completed != o.Attempted) {
		as = append(as, noBecause("of %d item operations %d were completed, %d failed", o.Attempted, o.Completed, o.Failed))
	}
	if len(as) == 0 {
		return yesBecause("Completed without errors, %d warnings", r.Warnings)
	}
	return all(as...)
}

// counts are the items of the scope.
type counts struct {
	restored, backedUp *int
	exact              bool   // by the lists of objects, not by counters
	why                string // why backedUp is nil
}

// itemCount finds the best counts there are: object by object from the resource
// lists, else the list of the restore against the backup's counter, else the
// two counters.
func itemCount(t *test) counts {
	c := counts{why: "the backup's items of the scope cannot be counted: "}
	switch fs := &t.Files; {
	case fs.Brought == nil:
		c.restored = t.Restore.Handled
	case fs.Missing == nil:
		c.restored, c.exact = fs.Brought, true
	default:
		// Of what was backed up, what came back: the tool adds objects of its own.
		n := *fs.BackedUp - *fs.Missing
		c.restored, c.exact = &n, true
	}
	b := t.Backup
	switch {
	case t.Restore.Selects:
		c.why += "labels narrow the restore"
	case t.Files.BackedUp != nil:
		c.backedUp = t.Files.BackedUp
	case b == nil:
		c.why += "the backup was not seen"
	case t.Restore.Part:
		c.why += "the restore covers a part of the backup, and the backup's resource list was not read"
	case b.Items == nil:
		c.why += "the backup tells no count"
	default:
		c.backedUp = b.Items
	}
	return c
}

func complete(t *test, cfg *Config, c counts) answer {
	if why := metadataOnly(t); why != "" {
		return noBecause("metadata only: %s", why)
	}
	if t.Restore.Lost {
		return howItEnded(&t.Restore)
	}
	return all(itemsBack(t, cfg, c), volumesBack(t))
}

// metadataOnly says why the restore can have brought back no volume data.
func metadataOnly(t *test) string {
	if t.Restore.Metadata != "" {
		return t.Restore.Metadata
	}
	none := t.Files.Claims != nil && !*t.Files.Claims // there was nothing to keep
	if t.Backup != nil && t.Backup.NoVolumes && t.Volumes.Wanted == 0 && !none {
		return "the backup was told to keep no volumes"
	}
	return ""
}

func itemsBack(t *test, cfg *Config, c counts) answer {
	if c.restored == nil {
		return unknownBecause("the restore tells no count of items")
	}
	if *c.restored == 0 {
		return noBecause("no item was brought back")
	}
	into := emptyTarget(t)
	if !c.exact && into.holds != yes {
		// A counter counts what was handled, objects that were there included.
		if t.Files.Existing > 0 {
			return noBecause("%s, %d warnings say that an object was there already, and no resource list shows what was created", into.why, t.Files.Existing)
		}
		return answer{into.holds, into.why + ", and no resource list shows what was created" + listWhy(t)}
	}
	if c.backedUp == nil {
		return unknownBecause("%s", c.why)
	}
	if *c.backedUp == 0 {
		return unknownBecause("the backup counts no items")
	}
	share := float64(*c.restored) / float64(*c.backedUp)
	what := fmt.Sprintf("%d of %d items of the backup came back (%.1f %%, agreed are %.1f %%)", *c.restored, *c.backedUp, 100*share, 100*cfg.CompleteShare)
	what += ofBackup(t)
	if share < cfg.CompleteShare {
		return noBecause("%s", what)
	}
	if c.exact {
		return yesBecause("%s, by the resource list", what)
	}
	return yesBecause("%s; %s", what, into.why)
}

// ofBackup says when the backup itself was not whole: its items are then fewer
// than there were to keep.
func ofBackup(t *test) string {
	switch b := t.Backup; {
	case b == nil || b.Phase == completed || b.Phase == "":
		return ""
	case t.Files.BackupErrors != nil:
		return fmt.Sprintf(", of a backup that was %s with %d errors that concern them", b.Phase, *t.Files.BackupErrors)
	default:
		return fmt.Sprintf(", of a backup that was %s", b.Phase)
	}
}

func listWhy(t *test) string {
	if len(t.Files.Why) == 0 {
		return ""
	}
	return " (" + strings.Join(t.Files.Why, "; ") + ")"
}

// emptyTarget: every target namespace was made by or after the restore's start.
func emptyTarget(t *test) answer {
	r := &t.Restore
	if !r.Known || len(r.Sources) == 0 {
		return unknownBecause("which namespaces it covered is not known")
	}
	var as []answer
	for _, n := range r.targets() {
		switch t.Fresh[n] {
		case yes:
			as = append(as, yesBecause("namespace %s was empty", n))
		case no:
			as = append(as, noBecause("namespace %s was there before", n))
		default:
			as = append(as, unknownBecause("whether namespace %s was empty was not seen", n))
		}
	}
	return all(as...)
}

func volumesBack(t *test) answer {
	v := &t.Volumes
	switch {
	case v.Wanted < 0:
		return unknownBecause("volumes of the scope are not known: %s", v.Why)
	case v.Failed > 0:
		return noBecause("%d of %d volumes did not come back: %s", v.Failed, v.Wanted, v.Example)
	case v.Unknown > 0:
		return unknownBecause("of %d volumes %d are not known to have come back: %s", v.Wanted, v.Unknown, v.Example)
	case v.Wanted == 0 && t.Files.Claims != nil && *t.Files.Claims:
		return noBecause("the backup holds volume claims, and the data of none")
	case v.Wanted == 0:
		return yesBecause("the scope has no volumes")
	}
	return yesBecause("%d volumes came back whole, %d bytes", v.Done, v.Bytes)
}

func verified(t *test, cfg *Config, now time.Time) answer {
	passed := 0
	for _, p := range t.Checks {
		if !p.Passed {
			return noBecause("check %s failed", p.Name)
		}
		passed++
	}
	switch {
	case t.Hidden:
		return unknownBecause("a workflow that names it is too large to hold its steps in the open")
	case passed > 0:
		return yesBecause("%d checks passed after it, the first %s", passed, t.Checks[0].Name)
	case !cfg.Checks.Jobs && !cfg.Checks.Workflows:
		return unknownBecause("no checks are looked for")
	case !t.Looked:
		return unknownBecause("checks could not be looked for in full")
	case now.Before(t.Seen.Add(cfg.Checks.Within)):
		return unknownBecause("no check that names it was seen yet")
	}
	return noBecause("no check that names it was seen")
}

// times judges recovery time and point, and fills in what they were.
func times(t *test, cfg *Config, f *evidence.RestoreTestFacts) answer {
	r := &t.Restore
	limit, agreed := cfg.limit(r.Plan, r.Sources)
	whose := "agreed"
	if !agreed {
		limit, whose = Limit{RTO: r.RTO, RPO: r.RPO}, "named on the restore itself"
	}
	f.RTOSeconds, f.RPOSeconds = int64(limit.RTO/time.Second), int64(limit.RPO/time.Second)
	took, age := unknownBecause("the restore tells no start or no end"), unknownBecause("when the backup was complete is not known")
	if !r.Start.IsZero() && !r.End.IsZero() {
		f.TookSeconds = int64(r.End.Sub(r.Start) / time.Second)
		took = within("it took", "recovery time", whose, r.End.Sub(r.Start), limit.RTO)
	}
	if b := t.Backup; b != nil && !b.End.IsZero() && !r.Start.IsZero() {
		f.AgeSeconds = int64(r.Start.Sub(b.End) / time.Second)
		age = within("the backup had an age of", "recovery point", whose, r.Start.Sub(b.End), limit.RPO)
	}
	return all(took, age)
}

func within(what, name, whose string, d, limit time.Duration) answer {
	switch {
	case d < 0:
		return unknownBecause("%s %s: the clocks disagree", what, d)
	case limit <= 0:
		return unknownBecause("%s %s, and no %s is given", what, d, name)
	case d > limit:
		return noBecause("%s %s, more than the %s of %s (%s)", what, d, name, limit, whose)
	}
	return yesBecause("%s %s, within the %s of %s (%s)", what, d, name, limit, whose)
}
