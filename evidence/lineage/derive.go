package lineage

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/pointer"
)

// end is one end of a link.
type end struct {
	id    string
	ref   evidence.Ref // zero for a record that names nothing of its own
	stage Stage
}

func thing(r evidence.Ref) end { return end{r.String(), r, StageOf(r)} }

// edge is a link as one record makes it.
type edge struct {
	from, to end
	step     Step
	proof    Proof
	field    string    // JSON pointer into the record
	after    time.Time // not before this; zero: at any time
}

// eventID names a record that has no reference of its own: a scan, a line.
func eventID(rec *evidence.Record) string {
	key := rec.Key
	if key == "" {
		key = rec.Subject.String()
	}
	return fmt.Sprintf("%s %s %s", rec.Kind, rec.Source, key)
}

// reading is one record while links are read from it.
type reading struct {
	rec   *evidence.Record
	facts map[string]any
	edges []edge
}

// derivers read the links of a kind. A kind that is not here makes none.
var derivers = map[evidence.Kind]func(*reading){
	evidence.ChangeMerge:     (*reading).merge,
	evidence.ChangeReview:    (*reading).review,
	evidence.PipelineRun:     (*reading).pipeline,
	evidence.PipelineCheck:   (*reading).check,
	evidence.PipelineReport:  (*reading).report,
	evidence.ArtifactImage:   (*reading).image,
	evidence.ArtifactScan:    (*reading).scan,
	evidence.ArtifactSBOM:    (*reading).sbom,
	evidence.ArtifactSigned:  (*reading).signature,
	evidence.RegistryAudit:   (*reading).registryLine,
	evidence.DeploySync:      (*reading).sync,
	evidence.DeployState:     (*reading).app,
	evidence.DeployRelease:   (*reading).release,
	evidence.InfraRun:        (*reading).infraRun,
	evidence.InfraState:      (*reading).infraState,
	evidence.RuntimeWorkload: (*reading).workload,
	evidence.RuntimePod:      (*reading).pod,
	evidence.SecretSync:      (*reading).secretSync,
	evidence.SecretStore:     (*reading).secretStore,
	evidence.SecretAccess:    (*reading).access,
	evidence.AccessAudit:     (*reading).auditLine,
	evidence.CertDeclared:    (*reading).certificate,
	evidence.CertRequest:     (*reading).certRequest,
	evidence.CertState:       (*reading).probe,
	evidence.BackupSchedule:  (*reading).schedule,
	evidence.BackupRun:       (*reading).backup,
	evidence.BackupRestore:   (*reading).restore,
	evidence.BackupTest:      (*reading).restoreTest,
	evidence.WorkflowRun:     (*reading).workflow,
}

// Kinds whose records say what became of a thing; they make or hold it.
var making = []evidence.Kind{
	evidence.ChangeCommit, evidence.ChangeMerge, evidence.ChangeReview, evidence.PipelineRun, evidence.PipelineCheck, evidence.PipelineReport,
	evidence.ArtifactImage, evidence.ArtifactScan, evidence.ArtifactSBOM, evidence.ArtifactSigned,
	evidence.DeploySync, evidence.DeployState, evidence.DeployRelease, evidence.InfraRun, evidence.InfraState, evidence.RuntimeNamespace, evidence.RuntimeWorkload, evidence.RuntimePod, evidence.RuntimeNode,
	evidence.SecretSync, evidence.SecretStore, evidence.CertDeclared, evidence.CertRequest, evidence.CertIssuer, evidence.CertState,
	evidence.BackupSchedule, evidence.BackupLocation, evidence.BackupRun, evidence.BackupRestore, evidence.BackupTest,
	evidence.WorkflowRun, evidence.WorkflowSchedule,
}

// Kinds whose records say what was done with a thing: they may be many, and
// matter only around the time asked for.
var using = []evidence.Kind{evidence.SecretAccess, evidence.AccessAudit, evidence.RegistryAudit}

// used are the stages that records of use may name.
var used = []Stage{Commit, Image, Tag, Pod, Copy, Secret, Account, Access, Audit, SecretSync, Certificate, CertRequest, Issuer, Other}

// derive reads the links of a record. A state that ended makes none, nor does
// one whose content is closed.
func derive(rec *evidence.Record) []edge {
	f, ok := derivers[rec.Kind]
	if !ok || rec.Op == evidence.OpEnd || len(rec.Facts) == 0 {
		return nil
	}
	r := &reading{rec: rec}
	if json.Unmarshal(rec.Facts, &r.facts) != nil {
		return nil
	}
	f(r)
	return r.edges
}

// about returns what the record is the record of.
func about(rec *evidence.Record) end {
	switch rec.Kind {
	case evidence.ArtifactImage:
		var f evidence.ArtifactFacts
		if json.Unmarshal(rec.Facts, &f) == nil && f.Digest != "" {
			return thing(evidence.NewRef("image", "", f.Digest))
		}
	case evidence.DeploySync:
		return ownOr(rec, "sync")
	case evidence.SecretAccess:
		return ownOr(rec, "request")
	case evidence.AccessAudit:
		return ownOr(rec, "line")
	case evidence.PipelineReport:
		return end{eventID(rec), evidence.Ref{}, Report}
	case evidence.ArtifactScan:
		return end{eventID(rec), evidence.Ref{}, Scan}
	case evidence.ArtifactSBOM:
		return end{eventID(rec), evidence.Ref{}, SBOM}
	case evidence.ArtifactSigned:
		return end{eventID(rec), evidence.Ref{}, Signature}
	case evidence.RegistryAudit:
		return end{eventID(rec), evidence.Ref{}, Audit}
	case evidence.BackupTest:
		return end{eventID(rec), evidence.Ref{}, RestoreTest}
	}
	return thing(rec.Subject)
}

// ownOr returns the reference of the scheme that the record bears, else the
// record itself.
func ownOr(rec *evidence.Record, scheme string) end {
	if rec.Subject.Scheme == scheme {
		return thing(rec.Subject)
	}
	for _, l := range rec.Links {
		if l.Scheme == scheme {
			return thing(l)
		}
	}
	e := end{eventID(rec), evidence.Ref{}, Audit}
	if s, ok := schemeStages[scheme]; ok {
		e.stage = s
	}
	return e
}

func (r *reading) add(from, to end, step Step, proof Proof, field string) *edge {
	if from.id == to.id || from.id == "" || to.id == "" {
		return &edge{} // a record about itself links nothing
	}
	r.edges = append(r.edges, edge{from: from, to: to, step: step, proof: proof, field: field})
	return &r.edges[len(r.edges)-1]
}

// refs yields the references of the record that are of one of the schemes,
// each once, with its place. A name that stands beside the same name with its
// uid is left out: the record knows which one it means.
func (r *reading) refs(schemes ...string) func(func(string, evidence.Ref) bool) {
	return func(yield func(string, evidence.Ref) bool) {
		var seen []evidence.Ref
		for _, l := range append([]evidence.Ref{r.rec.Subject}, r.rec.Links...) {
			if l.UID != "" {
				seen = append(seen, l.WithUID(""))
			}
		}
		if slices.Contains(schemes, r.rec.Subject.Scheme) {
			seen = append(seen, r.rec.Subject)
			if !yield("/subject", r.rec.Subject) {
				return
			}
		}
		for i, l := range r.rec.Links {
			if slices.Contains(schemes, l.Scheme) && !slices.Contains(seen, l) {
				seen = append(seen, l)
				if !yield("/links/"+strconv.Itoa(i), l) {
					return
				}
			}
		}
	}
}

// links yields the references as refs does, the subject left out.
func (r *reading) links(schemes ...string) func(func(string, evidence.Ref) bool) {
	return func(yield func(string, evidence.Ref) bool) {
		for at, ref := range r.refs(schemes...) {
			if ref != r.rec.Subject && !yield(at, ref) {
				return
			}
		}
	}
}

// objects yields the linked objects of a stage.
func (r *reading) objects(stages ...Stage) func(func(string, evidence.Ref) bool) {
	return func(yield func(string, evidence.Ref) bool) {
		for at, ref := range r.links("object") {
			if slices.Contains(stages, StageOf(ref)) && !yield(at, ref) {
				return
			}
		}
	}
}

// field returns the place of the first of the named facts that holds one of
// the values, and place when none does. A dotted name goes into objects. A fact
// that is a list or map is looked into.
func (r *reading) field(place string, values []string, names ...string) string {
	for _, name := range names {
		at, v := "/facts", any(r.facts)
		for _, part := range strings.Split(name, ".") {
			m, ok := v.(map[string]any)
			if !ok {
				v = nil
				break
			}
			at, v = at+"/"+pointer.Escape(part), m[part]
		}
		if found, ok := find(at, v, values); ok {
			return found
		}
	}
	return place
}

// find looks for a text or number among the values, in the order of the JSON.
func find(at string, v any, values []string) (string, bool) {
	switch v := v.(type) {
	case string:
		return at, slices.Contains(values, v)
	case float64:
		return at, slices.Contains(values, strconv.FormatFloat(v, 'f', -1, 64))
	case []any:
		for i, x := range v {
			if p, ok := find(at+"/"+strconv.Itoa(i), x, values); ok {
				return p, true
			}
		}
	case map[string]any:
		var keys []string
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			if p, ok := find(at+"/"+pointer.Escape(k), v[k], values); ok {
				return p, true
			}
		}
	}
	return "", false
}

// last returns what stands after the last of the separators.
func last(s, seps string) string { return s[strings.LastIndexAny(s, seps)+1:] }
