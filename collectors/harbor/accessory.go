package harbor

import (
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

type wireAccessory struct {
	Digest  string `json:"digest"`
	Type    string `json:"type"`
	Size    int64  `json:"size"`
	Created string `json:"creation_time"`
	Subject string `json:"subject_artifact_digest"`
}

// registrySBOM is the type of a bill of materials that the registry's own scan
// made.
const registrySBOM = "sbom.harbor"

// errLoose is what a project is told to lack whose list names something without
// saying which.
var errLoose = problem.New(problem.Source, "the registry lists something without a digest").
	WithHint("report it with the registry's version; the rest of the list was read")

// accessory hands over what is attached to an artifact. An inherited one
// stands at the index that holds the artifact and is told of each of its
// images.
func (l *look) accessory(p *project, w *wireArtifact, repository string, acc wireAccessory, inherited bool, req evidence.Request) error {
	if !digestName.MatchString(acc.Digest) {
		// What it was told as before is no less there for that.
		p.loose = errLoose
		return nil
	}
	about := w.Digest
	if acc.Subject != "" && !inherited && digestName.MatchString(acc.Subject) {
		about = acc.Subject
	}
	// The same accessory may belong to several artifacts: the uid is the one it
	// is told of.
	subject := l.artifactRef(p.Name, repository, acc.Digest).WithUID(about)
	kind, facts := evidence.ArtifactSigned, any(evidence.SignatureFacts{
		Registry: l.cfg.Registry, Project: p.Name, Repository: repository, Subject: about, Digest: acc.Digest,
		Type: text(acc.Type), Size: acc.Size, CreatedAt: when(acc.Created), Inherited: inherited,
	})
	var settled *stamp
	if strings.Contains(strings.ToLower(acc.Type), "sbom") {
		f := evidence.SBOMFacts{
			Registry: l.cfg.Registry, Project: p.Name, Repository: repository, Subject: about, Digest: acc.Digest,
			Maker: "build", Type: text(acc.Type), Size: acc.Size, CreatedAt: when(acc.Created),
		}
		if acc.Type == registrySBOM {
			f.Maker = "registry"
			if w.SBOM != nil && w.SBOM.SBOMDigest == acc.Digest {
				f.Scanner = w.SBOM.Scanner.facts()
			}
		}
		r, mark, err := l.bill(p, repository, &f)
		if err != nil || f.Content == "" {
			return err
		}
		if r.URL != "" {
			req = r
		}
		settled = mark
		kind, facts = evidence.ArtifactSBOM, f
	}
	d := l.draft(kind, evidence.OpSet, subject, facts, req)
	d.NotBefore = p.state.Looked
	d.Key = keyOf(subject.Name + "#" + about)
	d.Scope = []evidence.Ref{l.projectRef(p.Name)}
	var ls links
	ls.image(about)
	ls.add(l.artifactRef(p.Name, repository, about))
	ls.image(acc.Digest)
	d.Links = ls
	if err := l.emit(d); err != nil {
		return err
	}
	if settled != nil {
		p.bills[*settled] = true
		if p.state.Bills == nil {
			p.state.Bills = fingerprints{}
		}
		p.state.Bills[*settled] = true
	}
	return nil
}
