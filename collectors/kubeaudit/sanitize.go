package kubeaudit

import (
	"bytes"
	"encoding/json"
	"evidenced/evidence/pointer"
	"maps"
	"slices"
	"strings"
)

// remover names what takes content out of lines, and its version: it stands
// first in Draft.Removed. Version 2 cuts requestObject and responseObject down
// to kind, name, namespace and uid, and that a deletion was a dry run, which
// version 1 dropped too; it empties the annotations that hold what an
// admission webhook changed in the object, and drops the values in the query of a
// request that opens a connection: they hold the command.
const remover = "kubeaudit/2"

const rbacGroup = "rbac.authorization.k8s.io"

// sanitize returns the line without content that must not be kept, on one
// line, and what was taken out. A line that was sanitized before comes out as
// it is, with the same account of what was taken. Other bytes stay as they
// came.
func sanitize(line []byte, e *event) (clean []byte, removed []string, err error) {
	last := 0
	replace := func(from, to int, with []byte, pointer string) {
		clean = append(append(clean, line[last:from]...), with...)
		last = to
		removed = append(removed, pointer)
	}
	r := e.resource()
	err = members(line, func(key string, from, to int) error {
		switch { // as the decoder does, which takes no notice of case
		case strings.EqualFold(key, "requestObject"), strings.EqualFold(key, "responseObject"):
			if bytes.Equal(line[from:to], []byte("null")) {
				return nil
			}
			var o object
			if err := json.Unmarshal(line[from:to], &o); err != nil {
				return unreadable(err)
			}
			with, err := json.Marshal(&o)
			if err != nil {
				return err
			}
			replace(from, to, with, "/"+key)
		case strings.EqualFold(key, "annotations"):
			with, took, err := withoutPatches(line[from:to])
			if err != nil || len(took) == 0 {
				return err
			}
			replace(from, to, with, took[0])
			removed = append(removed, took[1:]...)
		case strings.EqualFold(key, "requestURI"):
			if strings.Contains(e.RequestURI, "?") && r.connect() {
				path, keys, _ := e.path()
				with, err := json.Marshal(path + "?" + strings.Join(keys, "&"))
				if err != nil {
					return err
				}
				replace(from, to, with, "/requestURI")
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	clean = append(clean, line[last:]...)
	if bytes.IndexByte(clean, '\n') >= 0 || bytes.IndexByte(clean, '\r') >= 0 {
		var b bytes.Buffer
		if err := json.Compact(&b, clean); err != nil {
			return nil, nil, unreadable(err)
		}
		clean = b.Bytes()
	}
	if len(removed) > 0 {
		removed = append([]string{remover}, removed...)
	}
	return clean, removed, nil
}

// patchKey begins the annotations that hold an admission webhook's patch of the
// object. The API server writes them for levels that log objects too.
const patchKey = "patch.webhook.admission.k8s.io/"

// withoutPatches empties the patches among an event's annotations and names
// them; nothing is named when there are none.
func withoutPatches(b []byte) (clean []byte, took []string, err error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, nil, unreadable(err)
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if strings.HasPrefix(k, patchKey) {
			m[k] = json.RawMessage(`""`)
			took = append(took, pointer.Join("annotations", k))
		}
	}
	clean, err = json.Marshal(m)
	return clean, took, err
}

// members calls each for every member of the JSON object in b with the place
// of its value.
func members(b []byte, each func(key string, from, to int) error) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errNotEvent
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return unreadable(err)
		}
		key, _ := t.(string)
		from := int(dec.InputOffset())
		for from < len(b) && strings.IndexByte(" \t\r\n:", b[from]) >= 0 {
			from++
		}
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return unreadable(err)
		}
		if err := each(key, from, int(dec.InputOffset())); err != nil {
			return err
		}
	}
	return nil
}
