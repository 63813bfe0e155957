package kubernetes

import (
	"regexp"
	"strings"

	"evidenced/evidence"
)

var (
	digestForm = regexp.MustCompile(`^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)
	bareForm   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	tagForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
)

// The words of ContainerFacts.DigestOf.
const (
	ofManifest = "manifest"
	ofUnknown  = "unknown"
)

// runningDigest reads the digest out of what a runtime reports as imageID.
// A digest behind a repository (host/name@sha256:...) is what a registry knows
// the image by: of its manifest, or of the index it was pulled through. A bare
// one may be that of the image's configuration, which joins nothing; CRI-O from
// 1.28 on writes it without its algorithm, which is SHA-256.
func runningDigest(imageID string) (digest, of string) {
	s := imageID
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest // docker-pullable://, docker://
	}
	repo, d, at := strings.Cut(s, "@")
	if !at {
		repo, d = "", s
	}
	if !at && bareForm.MatchString(d) {
		d = "sha256:" + d
	}
	if !digestForm.MatchString(d) {
		return "", ""
	}
	if repo == "" {
		return d, ofUnknown
	}
	return d, ofManifest
}

// digest returns what of an image a container runs; nothing before its node has
// the image. A runtime that reports its own id for the image may still name the
// image by the digest it was pulled by.
func (s *containerStatus) digest() (digest, of string) {
	digest, of = runningDigest(s.ImageID)
	if of == ofManifest || s.ImageID == "" {
		return digest, of
	}
	if named, by := runningDigest(s.Image); by == ofManifest {
		return named, by
	}
	return digest, of
}

// imageRefs returns the join keys of an image reference as a pod template
// writes it: its digest, and its full name with the tag. A name without a
// host is Docker Hub's, without a path one of its library, and one with
// neither tag nor digest means the tag latest
// (https://kubernetes.io/docs/concepts/containers/images/).
func imageRefs(image string) []evidence.Ref {
	var refs []evidence.Ref
	name, digest, at := strings.Cut(image, "@")
	if at && digestForm.MatchString(digest) {
		refs = append(refs, evidence.NewRef("image", "", digest))
	} else if at {
		return nil
	}
	tag := ""
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name, tag = name[:i], name[i+1:]
	}
	switch {
	case name == "" || strings.ContainsAny(name, " \t\n"):
		return refs
	case tag == "" && at:
		return refs
	case tag == "":
		tag = "latest"
	case !tagForm.MatchString(tag):
		return refs
	}
	host, rest, slash := strings.Cut(name, "/")
	switch {
	case !slash:
		name = "docker.io/library/" + name
	case !strings.ContainsAny(host, ".:") && host != "localhost":
		name = "docker.io/" + name
	case host == "docker.io", host == "index.docker.io":
		if !strings.Contains(rest, "/") {
			rest = "library/" + rest
		}
		name = "docker.io/" + rest
	}
	return append(refs, evidence.NewRef("imagetag", "", name+":"+tag))
}
