package kube

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"evidenced/evidence"
)

// Object is one object, with its bytes as received.
type Object struct {
	Raw     json.RawMessage // as received, after the removals named in Removed
	Removed []string        // JSON pointers, the remover's version first; nil when nothing was removed

	APIVersion, Kind     string
	Namespace, Name, UID string
	ResourceVersion      string
	Generation           int64
	Labels, Annotations  map[string]string
	Owners               []Owner
	Finalizers           []string
	CreatedAt, DeletedAt time.Time // DeletedAt: deletion was asked for; the object is still there

	ObservedAt time.Time        // when its bytes arrived
	Listed     bool             // from a list, else from a watch
	Request    evidence.Request // how it was read
}

// Owner is one owner of an object.
type Owner struct {
	evidence.OwnerRef
	APIVersion string
	Controller bool // the one that manages it
}

// Group is the owner's API group; "" for the core group.
func (w *Owner) Group() string { return GroupOf(w.APIVersion) }

// remover names what took members out of raw, and in which version.
const remover = "kube/1"

// ParseObject reads one object as a server sends it and takes out what is
// always taken out, and what the pointers of remove name (see
// [Resource.Remove]). The raw bytes are copied. Errors never hold the object's
// content.
func ParseObject(raw []byte, at time.Time, remove ...string) (*Object, error) {
	cuts, err := parseCuts(remove)
	if err != nil {
		return nil, err
	}
	if !json.Valid(raw) {
		return nil, errors.New("object is not JSON")
	}
	return parseObject(bytes.Clone(raw), at, cuts)
}

// metadata is the part of an object's metadata that is read.
type metadata struct {
	Namespace         string            `json:"namespace"`
	Name              string            `json:"name"`
	UID               string            `json:"uid"`
	ResourceVersion   string            `json:"resourceVersion"`
	Generation        int64             `json:"generation"`
	Labels            map[string]string `json:"labels"`
	Annotations       map[string]string `json:"annotations"`
	Finalizers        []string          `json:"finalizers"`
	CreationTimestamp *time.Time        `json:"creationTimestamp"`
	DeletionTimestamp *time.Time        `json:"deletionTimestamp"`
	OwnerReferences   []struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Name       string `json:"name"`
		UID        string `json:"uid"`
		Controller *bool  `json:"controller"`
	} `json:"ownerReferences"`
}

// parseObject reads valid JSON, and keeps raw.
func parseObject(raw []byte, at time.Time, cuts *cutter) (*Object, error) {
	sum := sha256.Sum256(raw)
	o := &Object{ObservedAt: at.UTC()}
	o.Request.Response = hex.EncodeToString(sum[:])
	var err error
	if o.Raw, o.Removed, err = cuts.cut(raw); err != nil {
		return nil, err
	}
	if len(o.Removed) > 0 {
		o.Removed = append([]string{remover}, o.Removed...)
	}
	m, err := o.head()
	if err != nil {
		return nil, err
	}
	if m.Name == "" || m.UID == "" {
		return nil, errors.New("object has no name or no uid")
	}
	if len(m.UID) > evidence.MaxKey {
		return nil, errors.New("object has a uid longer than a key can be")
	}
	o.Namespace, o.Name, o.UID = m.Namespace, m.Name, m.UID
	o.ResourceVersion, o.Generation = m.ResourceVersion, m.Generation
	o.Labels, o.Annotations, o.Finalizers = m.Labels, m.Annotations, m.Finalizers
	if m.CreationTimestamp != nil {
		o.CreatedAt = m.CreationTimestamp.UTC()
	}
	if m.DeletionTimestamp != nil {
		o.DeletedAt = m.DeletionTimestamp.UTC()
	}
	for _, r := range m.OwnerReferences {
		o.Owners = append(o.Owners, Owner{
			OwnerRef: evidence.OwnerRef{Kind: r.Kind, Name: r.Name, UID: r.UID}, APIVersion: r.APIVersion,
			Controller: r.Controller != nil && *r.Controller,
		})
	}
	return o, nil
}

// head reads what the object says of itself.
func (o *Object) head() (m metadata, err error) {
	apiVersion, kind, meta, err := top(o.Raw)
	if err != nil {
		return m, err
	}
	for _, part := range []struct {
		raw []byte
		to  any
	}{{apiVersion, &o.APIVersion}, {kind, &o.Kind}, {meta, &m}} {
		if part.raw == nil {
			continue // items of lists may leave version and kind out
		}
		if err := json.Unmarshal(part.raw, part.to); err != nil {
			return m, fmt.Errorf("version, kind or metadata of an object cannot be read (%T)", err)
		}
	}
	return m, nil
}

// Decode reads the object into v. The error never holds the object's content.
func (o *Object) Decode(v any) error {
	if err := json.Unmarshal(o.Raw, v); err != nil {
		var te *json.UnmarshalTypeError
		if errors.As(err, &te) {
			return fmt.Errorf("%s: field %s holds a JSON %s", o.Kind, te.Field, kindWord(te.Value))
		}
		return fmt.Errorf("%s cannot be read (%T)", o.Kind, err)
	}
	return nil
}

// kindWord keeps the kind of a JSON value and drops the value that the decoder
// may have put behind it.
func kindWord(s string) string {
	w, _, _ := strings.Cut(s, " ")
	return w
}

// Controller returns the owner that manages the object, nil when there is none.
func (o *Object) Controller() *evidence.OwnerRef {
	for i := range o.Owners {
		if o.Owners[i].Controller {
			return &o.Owners[i].OwnerRef
		}
	}
	return nil
}

// Group is the API group of the object; "" for the core group.
func (o *Object) Group() string { return GroupOf(o.APIVersion) }

// GroupOf returns the group of group/version; "" of a version alone.
func GroupOf(apiVersion string) string {
	g, _, ok := strings.Cut(apiVersion, "/")
	if !ok {
		return ""
	}
	return g
}

// Ref names the object, with its uid.
func (o *Object) Ref(authority string) evidence.Ref {
	return RefOf(authority, o.Group(), o.Kind, o.Namespace, o.Name).WithUID(o.UID)
}

// RefOf names an object whose uid is not known, in the scheme that its kind
// has in evidence: pod, node, namespace, account (ServiceAccount), copy
// (Secret), workload (Deployment, StatefulSet, DaemonSet, ReplicaSet, Job,
// CronJob and ReplicationController), app (Argo CD's Application, and Flux's
// Kustomization and HelmRelease by their kind, so that no two are called alike),
// else object.
func RefOf(authority, group, kind, namespace, name string) evidence.Ref {
	full := namespace + "/" + name
	switch group + "/" + kind {
	case "/Pod":
		return evidence.NewRef("pod", authority, full)
	case "/Node":
		return evidence.NewRef("node", authority, name)
	case "/Namespace":
		return evidence.NewRef("namespace", authority, name)
	case "/ServiceAccount":
		return evidence.NewRef("account", authority, full)
	case "/Secret":
		return evidence.NewRef("copy", authority, full)
	case "apps/Deployment", "apps/StatefulSet", "apps/DaemonSet", "apps/ReplicaSet", "batch/Job", "batch/CronJob", "/ReplicationController":
		return evidence.NewRef("workload", authority, namespace+"/"+kind+"/"+name)
	case "argoproj.io/Application":
		return evidence.NewRef("app", authority, full)
	case "kustomize.toolkit.fluxcd.io/Kustomization", "helm.toolkit.fluxcd.io/HelmRelease":
		return evidence.NewRef("app", authority, namespace+"/"+kind+"/"+name)
	}
	if group != "" {
		kind += "." + group
	}
	return evidence.NewRef("object", authority, kind+"/"+full)
}
