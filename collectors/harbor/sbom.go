package harbor

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"evidenced/collectors/forge"
	"evidenced/collectors/jsonstream"
	"evidenced/evidence"
)

// errTooLarge ends the reading of a document beyond its bound.
var errTooLarge = errors.New("larger than is read")

// Bounds of a bill of materials.
const (
	maxBOM       = 64 << 20 // bytes of the document
	maxPackages  = 50000    // packages whose names are kept while it is read
	maxRelations = 200000   // relations that are kept while it is read
	maxTop       = 500      // components in the facts
	maxTopBytes  = 96 << 10 // bytes of their JSON
	maxNames     = 10       // digests in the facts
	maxOwnText   = 64 << 10 // bytes of a text in which digests are looked for
	maxDescribed = 1000     // things a document says it describes
)

// bom is what is told of a bill of materials.
type bom struct {
	format, version string
	components      int
	top             []evidence.SBOMComponent
	names           []string
	cut             bool // more packages or relations than are kept
}

// into writes what was read into the facts.
func (b *bom) into(f *evidence.SBOMFacts) {
	f.Format, f.SpecVersion, f.Components = b.format, text(b.version), b.components
	f.Names = b.names
	if len(b.names) > 0 {
		is := slices.Contains(b.names, f.Subject)
		f.NamesSubject = &is
	}
	size := 0
	for i, c := range b.top {
		size += len(forge.Encode(c)) + 1
		if i == maxTop || size > maxTopBytes {
			f.TopCut = len(b.top) - i
			break
		}
		f.Top = append(f.Top, c)
	}
}

// readBOM reads a bill of materials as it arrives: SPDX 2 or CycloneDX, in
// JSON. See https://spdx.github.io/spdx-spec/v2.3/ and
// https://cyclonedx.org/docs/1.6/json/. Of the document no more is kept than
// names, versions and relations, each up to its bound. errShape says that it is
// neither of the two; any other error is the reader's.
func readBOM(r io.Reader) (*bom, error) {
	d := &bomReader{Stream: jsonstream.New(r, nil), names: map[string]bool{}}
	err := d.Members(d.member)
	if err == nil { // more behind it: it was cut or is two
		err = d.End()
	}
	if err != nil {
		return nil, shapeOr(err)
	}
	return d.result()
}

// shapeOr makes errShape of what the decoder says of a document's form.
func shapeOr(err error) error {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &typ) || err == io.EOF || errors.Is(err, jsonstream.ErrShape) {
		return errShape
	}
	return err
}

type bomReader struct {
	*jsonstream.Stream
	spdx, cyclone, version string
	packages               int // of SPDX
	kept                   map[string]evidence.SBOMComponent
	own                    map[string][]string // texts of a package that may name what the document is about
	relations              [][3]string
	described              []string
	components             int // of CycloneDX
	top                    []evidence.SBOMComponent
	names                  map[string]bool
	cut                    bool
}

func (d *bomReader) member(name string) error {
	switch name {
	case "spdxVersion":
		return d.Decode(&d.spdx)
	case "bomFormat":
		return d.Decode(&d.cyclone)
	case "specVersion":
		return d.Decode(&d.version)
	case "documentDescribes":
		return d.Elements(func() error {
			var id string
			err := d.Decode(&id)
			if len(d.described) < maxDescribed {
				d.described = append(d.described, id)
			}
			return err
		})
	case "packages":
		return d.Elements(d.spdxPackage)
	case "relationships":
		return d.Elements(d.relation)
	case "components":
		return d.Elements(d.component)
	case "metadata":
		return d.metadata()
	}
	return d.Skip()
}

func (d *bomReader) spdxPackage() error {
	var p struct {
		ID      string `json:"SPDXID"`
		Name    string `json:"name"`
		Version string `json:"versionInfo"`
		Purpose string `json:"primaryPackagePurpose"`
		Refs    []struct {
			Type    string `json:"referenceType"`
			Locator string `json:"referenceLocator"`
		} `json:"externalRefs"`
		Texts []string `json:"attributionTexts"`
		Notes []struct {
			Comment string `json:"comment"`
		} `json:"annotations"`
	}
	if err := d.Decode(&p); err != nil {
		return err
	}
	d.packages++
	if len(d.kept) >= maxPackages || p.ID == "" {
		d.cut = true
		return nil
	}
	if d.kept == nil {
		d.kept, d.own = map[string]evidence.SBOMComponent{}, map[string][]string{}
	}
	d.kept[p.ID] = evidence.SBOMComponent{Name: text(p.Name), Version: text(p.Version), Type: text(strings.ToLower(p.Purpose))}
	// Whether the package is what the document is about is not known yet, so the
	// digests are looked for in all of them.
	texts := []string{p.Version}
	for _, r := range p.Refs {
		if r.Type == "purl" {
			texts = append(texts, r.Locator)
		}
	}
	for _, n := range p.Notes {
		p.Texts = append(p.Texts, n.Comment)
	}
	for _, t := range p.Texts {
		if strings.HasPrefix(t, "RepoDigest") {
			texts = append(texts, t)
		}
	}
	if own := digestsIn(texts); len(own) > 0 {
		d.own[p.ID] = own
	}
	return nil
}

func (d *bomReader) relation() error {
	var r struct {
		From string `json:"spdxElementId"`
		To   string `json:"relatedSpdxElement"`
		Type string `json:"relationshipType"`
	}
	if err := d.Decode(&r); err != nil {
		return err
	}
	switch r.Type {
	case "DESCRIBED_BY", "CONTAINED_BY", "DEPENDENCY_OF":
		r.From, r.To = r.To, r.From
		r.Type = map[string]string{"DESCRIBED_BY": "DESCRIBES", "CONTAINED_BY": "CONTAINS", "DEPENDENCY_OF": "DEPENDS_ON"}[r.Type]
	case "DESCRIBES", "CONTAINS", "DEPENDS_ON":
	default:
		return nil
	}
	if len(d.relations) >= maxRelations {
		d.cut = true
		return nil
	}
	d.relations = append(d.relations, [3]string{r.From, r.Type, r.To})
	return nil
}

// cdxComponent is a component of CycloneDX with those inside it.
type cdxComponent struct {
	Type       string         `json:"type"`
	Group      string         `json:"group"`
	Name       string         `json:"name"`
	Version    string         `json:"version"`
	Ref        string         `json:"bom-ref"`
	PURL       string         `json:"purl"`
	Inside     []cdxComponent `json:"components"`
	Properties []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"properties"`
}

func (c *cdxComponent) count() int {
	n := 1
	for i := range c.Inside {
		n += c.Inside[i].count()
	}
	return n
}

func (d *bomReader) component() error {
	var c cdxComponent
	if err := d.Decode(&c); err != nil {
		return err
	}
	d.components += c.count()
	if len(d.top) >= maxPackages {
		d.cut = true
		return nil
	}
	name := c.Name
	if c.Group != "" {
		name = c.Group + "/" + name
	}
	d.top = append(d.top, evidence.SBOMComponent{Name: text(name), Version: text(c.Version), Type: text(c.Type)})
	return nil
}

// metadata reads what a CycloneDX document is about. SPDX has no such member.
func (d *bomReader) metadata() error {
	return d.Members(func(name string) error {
		if name != "component" {
			return d.Skip()
		}
		var c cdxComponent
		if err := d.Decode(&c); err != nil {
			return err
		}
		texts := []string{c.PURL, c.Ref, c.Version}
		for _, p := range c.Properties {
			if strings.HasSuffix(p.Name, "RepoDigest") {
				texts = append(texts, p.Value)
			}
		}
		d.name(digestsIn(texts))
		return nil
	})
}

var digestIn = regexp.MustCompile(`sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}`)

// digestsIn finds digests in texts, percent-encoded ones too, as package URLs
// have them.
func digestsIn(texts []string) (out []string) {
	for _, t := range texts {
		if len(t) > maxOwnText {
			continue
		}
		if u, err := url.PathUnescape(t); err == nil {
			t = u
		}
		out = append(out, digestIn.FindAllString(t, maxNames)...)
	}
	return out
}

func (d *bomReader) name(digests []string) {
	for _, n := range digests {
		if len(d.names) < maxNames {
			d.names[n] = true
		}
	}
}

// result says what was read. A document that is of both formats or of neither is
// none.
func (d *bomReader) result() (*bom, error) {
	b := &bom{cut: d.cut}
	switch {
	case d.spdx != "" && d.cyclone == "" && strings.HasPrefix(d.spdx, "SPDX-"):
		b.format, b.version = "spdx", strings.TrimPrefix(d.spdx, "SPDX-")
		d.tree(b)
	case d.spdx == "" && strings.EqualFold(d.cyclone, "CycloneDX"):
		b.format, b.version, b.components, b.top = "cyclonedx", d.version, d.components, d.top
	default:
		return nil, errShape
	}
	for n := range d.names {
		b.names = append(b.names, n)
	}
	slices.Sort(b.names)
	slices.SortFunc(b.top, func(x, y evidence.SBOMComponent) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.Version, y.Version), strings.Compare(x.Type, y.Type))
	})
	return b, nil
}

// tree finds, of an SPDX document, what it is about, and what stands directly
// below that. Where relations tell neither, every package is listed.
func (d *bomReader) tree(b *bom) {
	about := map[string]bool{}
	for _, id := range d.described {
		about[id] = true
	}
	for _, r := range d.relations {
		if r[1] == "DESCRIBES" {
			about[r[2]] = true
		}
	}
	b.components = d.packages
	for id := range about {
		if _, ok := d.kept[id]; ok {
			b.components--
			d.name(d.own[id])
		}
	}
	listed := map[string]bool{}
	for _, r := range d.relations {
		if _, ok := d.kept[r[2]]; ok && about[r[0]] && r[1] != "DESCRIBES" && !about[r[2]] {
			listed[r[2]] = true
		}
	}
	for id, c := range d.kept {
		if listed[id] || len(listed) == 0 && !about[id] {
			b.top = append(b.top, c)
		}
	}
}

// limited is a reader that gives errTooLarge behind its bound, where
// io.LimitedReader would give the end.
type limited struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		// One byte more tells a document of just this size from a larger one.
		n, err := l.r.Read(make([]byte, 1))
		if n > 0 {
			return 0, errTooLarge
		}
		return 0, err
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.r.Read(p)
	l.left -= int64(n)
	return n, err
}
