package evidencetest

import (
	"encoding/json"
	"fmt"

	"evidenced/evidence"
)

// deliveryNames are the facts that name something in pipelines, registries and
// clusters.
type deliveryNames struct {
	Repo       string `json:"repo"`
	ID         string `json:"id"`
	Attempt    int    `json:"attempt"`
	Pipeline   string `json:"pipeline"`
	Job        string `json:"job"`
	Type       string `json:"type"`
	Registry   string `json:"registry"`
	Project    string `json:"project"`
	Repository string `json:"repository"`
	Digest     string `json:"digest"`
	Subject    string `json:"subject"`
	ReportID   string `json:"report_id"`
	Status     string `json:"status"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
	Children   []struct {
		Digest string `json:"digest"`
	} `json:"children"`
	Containers []struct {
		Digest string `json:"digest"`
	} `json:"containers"`
	Revision     string `json:"revision"`
	Organization string `json:"organization"`
	Commit       string `json:"commit"`
	Run          string `json:"run"`
}

// deliveryIdentity sets source, subject, key and links of a draft of the
// delivery chain, in the shape that its collectors give them, and reports
// whether it is one.
func deliveryIdentity(d *evidence.Draft) bool {
	var f deliveryNames
	if json.Unmarshal(d.Content, &f) != nil {
		return false
	}
	ref := evidence.NewRef
	image := func(digests ...string) {
		for _, x := range digests {
			if x != "" {
				d.Links = append(d.Links, ref("image", "", x))
			}
		}
	}
	artifact := func(digest string) evidence.Ref {
		return ref("artifact", "prod", f.Project+"/"+f.Repository+"@"+digest)
	}
	switch d.Kind {
	case evidence.PipelineRun:
		d.Source, d.Key = "github/acme", f.Repo+"/"+f.ID+"/"+fmt.Sprint(f.Attempt)
		d.Subject = ref("pipeline", "acme", d.Key)
		image(f.Digest)
	case evidence.PipelineCheck:
		d.Source, d.Key = "github/acme", f.Repo+"/check/"+f.ID
		d.Subject = ref("check", "acme", d.Key)
	case evidence.PipelineReport:
		d.Source, d.Key = "github/acme", f.Repo+"/"+f.Pipeline+"/"+f.Job+"/"+f.Type
		d.Subject = ref("pipeline", "acme", f.Repo+"/"+f.Pipeline)
		image(f.Digest)
	case evidence.DeployRelease:
		d.Source, d.Key = "github/acme", f.Repo+"/release/"+f.ID
		d.Subject = ref("release", "acme", f.Repo+"/"+f.ID)
	case evidence.InfraWorkspace:
		d.Source, d.Subject = "terraform/acme", ref("workspace", "acme", f.Organization+"/"+f.Name).WithUID(f.ID)
	case evidence.InfraRun, evidence.InfraState:
		scheme := map[evidence.Kind]string{evidence.InfraRun: "tfrun", evidence.InfraState: "tfstate"}[d.Kind]
		d.Source, d.Key = "terraform/acme", f.ID
		d.Subject = ref(scheme, "acme", f.Organization+"/"+f.ID)
		if f.Run != "" {
			d.Links = append(d.Links, ref("tfrun", "acme", f.Organization+"/"+f.Run))
		}
		if len(f.Commit) >= 40 {
			d.Links = append(d.Links, ref("commit", "", f.Commit))
		}
	case evidence.ArtifactImage:
		d.Source, d.Subject = "harbor/prod", artifact(f.Digest)
		image(f.Digest)
		for _, c := range f.Children {
			image(c.Digest)
		}
		if len(f.Revision) >= 40 {
			d.Links = append(d.Links, ref("commit", "", f.Revision))
		}
	case evidence.ArtifactScan:
		d.Source, d.Subject = "harbor/prod", artifact(f.Digest)
		d.Key = d.Subject.Name + "/" + f.ReportID + "/" + f.Status
		image(f.Digest)
	case evidence.ArtifactSBOM, evidence.ArtifactSigned:
		d.Source, d.Subject = "harbor/prod", artifact(f.Digest).WithUID(f.Subject)
		image(f.Subject, f.Digest)
	case evidence.RegistryProject:
		d.Source, d.Subject = "harbor/prod", ref("project", "prod", f.Project).WithUID(f.ID)
	case evidence.RegistryRule:
		d.Source, d.Subject = "harbor/prod", ref("rule", "prod", f.Project+"/"+f.Type+"/"+f.ID)
	case evidence.RegistryRun:
		d.Source, d.Key = "harbor/prod", f.Type+"/"+f.ID
		d.Subject = ref("rule", "prod", f.Project+"/"+f.Type+"/"+f.ID)
	case evidence.RegistryAudit:
		d.Source, d.Key = "harbor/prod", f.ID
		d.Subject = ref("line", "prod", f.ID)
		image(f.Digest)
	case evidence.RuntimePod:
		d.Source, d.Subject = "kubernetes/prod", ref("pod", "prod", f.Namespace+"/"+f.Name).WithUID(f.UID)
		for _, c := range f.Containers {
			image(c.Digest)
		}
	case evidence.RuntimeWorkload:
		d.Source, d.Subject = "kubernetes/prod", ref("workload", "prod", f.Namespace+"/"+f.Kind+"/"+f.Name).WithUID(f.UID)
	default:
		return false
	}
	return true
}
