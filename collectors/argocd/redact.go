package argocd

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"evidenced/collectors"
	"evidenced/evidence/pointer"
)

// remover names this remover and its version: it stands first in
// Draft.Removed. Version 1 replaces by null
//
//   - helm parameters, values, valuesObject; plugin env and parameters;
//     jsonnet extVars and tlas; kustomize patches, of any source of the item,
//   - manifests pushed by hand (sync.manifests),
//   - of a whole application: its history and operations, which name people
//     and are records of their own; its annotations, which hold anything, the
//     last applied manifest too; labels that the configuration leaves out,
//
// and takes the user part out of every URL in every string. Version 2 takes out
// what a command line gives to Helm with --set, too: messages quote it.
const remover = "argocd-remover/2"

// removedBelowSource lists what may carry secrets inside a source.
var removedBelowSource = map[string][]string{
	"helm":      {"parameters", "values", "valuesObject"},
	"plugin":    {"env", "parameters"},
	"jsonnet":   {"extVars", "tlas"},
	"kustomize": {"patches"},
}

// removedOfApplication lists pointers of a whole application.
var removedOfApplication = []string{"/operation", "/status/history", "/status/operationState", "/metadata/annotations"}

// edit replaces raw[from:to].
type edit struct {
	from, to int
	with     []byte
	pointer  string
}

// redact returns raw without what may be a secret, and what was taken out as
// Draft.Removed wants it. also lists further pointers to take out. Untouched
// bytes stay exactly as received. Bytes that are not JSON are taken out whole.
func redact(raw []byte, also []string) (clean []byte, removed []string) {
	w := &walker{raw: raw, dec: json.NewDecoder(bytes.NewReader(raw)), also: also}
	w.dec.UseNumber()
	if !json.Valid(raw) || w.value(nil) != nil {
		return []byte("null"), []string{remover, ""}
	}
	if len(w.edits) == 0 {
		return raw, nil
	}
	removed = []string{remover}
	last := 0
	for _, e := range w.edits {
		clean = append(clean, raw[last:e.from]...)
		clean = append(clean, e.with...)
		last = e.to
		removed = append(removed, e.pointer)
	}
	return append(clean, raw[last:]...), removed
}

// walker goes through a JSON text once, keeping the byte range of each value.
type walker struct {
	raw   []byte
	dec   *json.Decoder
	also  []string
	edits []edit
}

// mustGo reports whether the value at path is to be taken out.
func (w *walker) mustGo(path []string) bool {
	return maySecret(path) || len(w.also) > 0 && len(path) > 0 && slices.Contains(w.also, pointer.Join(path...))
}

// start is the offset of the next value: the decoder stops right after the
// previous token, before white space, comma and colon.
func (w *walker) start() int {
	i := int(w.dec.InputOffset())
	for i < len(w.raw) && strings.IndexByte(" \t\r\n,:", w.raw[i]) >= 0 {
		i++
	}
	return i
}

func (w *walker) value(path []string) error {
	from := w.start()
	if w.mustGo(path) && from < len(w.raw) && w.raw[from] != 'n' {
		var skip json.RawMessage
		if err := w.dec.Decode(&skip); err != nil {
			return err
		}
		w.edits = append(w.edits, edit{from, int(w.dec.InputOffset()), []byte("null"), pointer.Join(path...)})
		return nil
	}
	t, err := w.dec.Token()
	if err != nil {
		return err
	}
	switch t := t.(type) {
	case json.Delim:
		return w.inside(t, path)
	case string:
		if c := cleanText(t); c != t {
			with, err := json.Marshal(c)
			if err != nil {
				return err
			}
			w.edits = append(w.edits, edit{from, int(w.dec.InputOffset()), with, pointer.Join(path...)})
		}
	}
	return nil
}

func (w *walker) inside(open json.Delim, path []string) error {
	for i := 0; w.dec.More(); i++ {
		name := strconv.Itoa(i)
		if open == '{' {
			t, err := w.dec.Token()
			if err != nil {
				return err
			}
			name, _ = t.(string)
		}
		if err := w.value(append(slices.Clip(path), name)); err != nil {
			return err
		}
	}
	_, err := w.dec.Token()
	return err
}

// maySecret reports whether the value at path may be a secret. It looks at the
// last names only, because the same source stands in spec, history, operation
// and result.
func maySecret(path []string) bool {
	n := len(path)
	if n == 0 {
		return false
	}
	last := path[n-1]
	if last == "manifests" && n > 1 && path[n-2] == "sync" {
		return true
	}
	return n > 1 && slices.Contains(removedBelowSource[path[n-2]], last)
}

// cleanText takes user and password out of every URL in s, and parameters out of
// Helm's command lines.
func cleanText(s string) string { return withoutSets(collectors.WithoutUser(s)) }

// setFlag finds where the parameters of an application begin in a command line
// of Helm, and commandEnd what follows the line in the message that a server
// makes of its failure.
var setFlag = regexp.MustCompile(`--set(?:-string|-json|-literal|-file)?[ =]`)

const commandEnd = "` failed"

// withoutSets takes out the rest of each command line from the first parameter
// on: older servers do not quote values, so nothing tells where one ends.
func withoutSets(s string) string {
	at := setFlag.FindStringIndex(s)
	if at == nil {
		return s
	}
	rest := ""
	if end := strings.Index(s[at[1]:], commandEnd); end >= 0 {
		rest = withoutSets(s[at[1]+end:])
	}
	return s[:at[1]] + "{removed}" + rest
}

// cleanURL returns a repository's URL without credentials: no user part, no
// query and no fragment, which may hold tokens. The scp form keeps the user
// "git" alone.
func cleanURL(s string) string {
	s = collectors.WithoutUser(s)
	if u, err := url.Parse(s); err == nil && u.Scheme != "" && u.Host != "" {
		u.User, u.RawQuery, u.Fragment, u.ForceQuery = nil, "", "", false
		return u.String()
	}
	if !strings.Contains(s, "://") {
		if user, rest, ok := strings.Cut(s, "@"); ok && strings.Contains(rest, ":") && user != "git" {
			return rest
		}
	}
	return s
}
