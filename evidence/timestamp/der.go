package timestamp

import (
	"encoding/asn1"
	"fmt"
)

// maxDepth is how deep values may be nested. A token with a certificate chain
// needs about twelve.
const maxDepth = 32

// wellFormed refuses what is not exactly one value in DER framing: definite
// lengths in their shortest form, nothing left over at any level. The decoder
// of encoding/asn1 checks each header it is shown, but not the values it skips,
// and allows more elements at the end of a sequence than it was asked for.
func wellFormed(b []byte) error {
	rest, err := framed(b, 0)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes after its end", len(rest))
	}
	return err
}

func framed(b []byte, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	var v asn1.RawValue
	rest, err := asn1.Unmarshal(b, &v)
	if err != nil {
		return nil, fmt.Errorf("not DER: %w", err)
	}
	if !v.IsCompound {
		return rest, nil
	}
	for in := v.Bytes; len(in) > 0; {
		if in, err = framed(in, depth+1); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// elements takes the elements of a constructed value one by one. After the
// first error it gives zero values; done returns that error, or one for what
// was not taken.
type elements struct {
	what string
	rest []byte
	err  error
}

func inside(what string, v asn1.RawValue) *elements {
	return &elements{what: what, rest: v.Bytes}
}

func (e *elements) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf("%s: %s", e.what, fmt.Sprintf(format, args...))
	}
}

// next returns the next element without taking it.
func (e *elements) next() (v asn1.RawValue, rest []byte, ok bool) {
	if e.err != nil || len(e.rest) == 0 {
		return v, nil, false
	}
	rest, err := asn1.Unmarshal(e.rest, &v)
	if err != nil {
		e.fail("%v", err)
	}
	return v, rest, err == nil
}

// opt takes the next element if it has the class and tag.
func (e *elements) opt(class, tag int) (asn1.RawValue, bool) {
	v, rest, ok := e.next()
	if !ok || v.Class != class || v.Tag != tag {
		return asn1.RawValue{}, false
	}
	e.rest = rest
	return v, true
}

// take takes the next element, which must have the class and tag.
func (e *elements) take(name string, class, tag int) asn1.RawValue {
	v, ok := e.opt(class, tag)
	if !ok {
		e.fail("%s is missing", name)
	}
	return v
}

// any takes the next element, whatever it is.
func (e *elements) any(name string) asn1.RawValue {
	v, rest, ok := e.next()
	if !ok {
		e.fail("%s is missing", name)
		return v
	}
	e.rest = rest
	return v
}

// into decodes the next element.
func (e *elements) into(name string, dst any) {
	v := e.any(name)
	if e.err == nil {
		e.err = decode(e.what+": "+name, v, dst)
	}
}

func (e *elements) done() error {
	if e.err == nil && len(e.rest) > 0 {
		e.fail("unexpected element at its end")
	}
	return e.err
}

// decode reads one whole value of a plain type.
func decode(what string, v asn1.RawValue, dst any) error {
	rest, err := asn1.Unmarshal(v.FullBytes, dst)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("bytes after its end")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// algorithm takes an AlgorithmIdentifier and returns its OID; parameters must
// be absent or NULL.
func (e *elements) algorithm(name string) asn1.ObjectIdentifier {
	seq := e.take(name, asn1.ClassUniversal, asn1.TagSequence)
	if e.err != nil {
		return nil
	}
	in := inside(e.what+": "+name, seq)
	var oid asn1.ObjectIdentifier
	in.into("algorithm", &oid)
	if null, ok := in.opt(asn1.ClassUniversal, asn1.TagNull); ok && len(null.Bytes) > 0 {
		in.fail("bad parameters")
	}
	if err := in.done(); err != nil && e.err == nil {
		e.err = err
	}
	return oid
}
