package harbor

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

var digestName = regexp.MustCompile(`^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)

func (c *Collector) projectRef(name string) evidence.Ref {
	return evidence.NewRef("project", c.authority, name)
}

// hostRef is the scope of what belongs to the registry as a whole.
func (c *Collector) hostRef() evidence.Ref {
	return evidence.NewRef("host", c.authority, c.cfg.Registry)
}

// sourceRef is the scope of an actor of whom it is not known whose they are.
func (c *Collector) sourceRef() evidence.Ref {
	return evidence.NewRef("source", "", string(c.env.Source))
}

// artifactRef names an artifact; repository is without the project.
func (c *Collector) artifactRef(project, repository, digest string) evidence.Ref {
	return evidence.NewRef("artifact", c.authority, project+"/"+repository+"@"+digest)
}

func (c *Collector) ruleRef(project, kind, id string) evidence.Ref {
	if project == "" {
		project = "*"
	}
	return evidence.NewRef("rule", c.authority, project+"/"+kind+"/"+id)
}

func imageRef(digest string) evidence.Ref { return evidence.NewRef("image", "", digest) }

// tagRef names an image as a pod or a deployment asks for it.
func (c *Collector) tagRef(path, tag string) evidence.Ref {
	return evidence.NewRef("imagetag", "", c.cfg.Registry+"/"+path+":"+tag)
}

// links collects join keys without repeats, up to the limit of a draft.
type links []evidence.Ref

func (l *links) add(r evidence.Ref) {
	if len(*l) < evidence.MaxLinks && len(r.String()) <= evidence.MaxRef && !slices.Contains(*l, r) {
		*l = append(*l, r)
	}
}

func (l *links) image(digest string) {
	if digestName.MatchString(digest) {
		l.add(imageRef(digest))
	}
}

const maxText = 256 // bytes of one text in facts

// text makes a text of the source fit for facts.
func text(s string) string { return forge.Fact(s) }

func number(n int64) string { return strconv.FormatInt(n, 10) }

// keyOf makes a key of a name: one that is too long stands as its beginning
// and a hash.
func keyOf(name string) string {
	if len(name) <= evidence.MaxKey {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:256] + "/" + hex.EncodeToString(sum[:16])
}
