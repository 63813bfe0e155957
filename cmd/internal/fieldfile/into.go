package fieldfile

import (
	"bytes"
	"encoding/json"
	"fmt"

	"evidenced/evidence/problem"
)

// Into reads one document, as [Parse] does, into a struct by its JSON names. A
// name that the struct does not have, or that comes twice, is refused; the hint
// says what there is.
func Into(name string, data []byte, into any, hint string) error {
	text, err := read(data)
	if err == nil {
		err = decode(text, into)
	}
	if err != nil {
		return problem.Wrap(problem.Usage, err, "cannot read the fields in %s", name).WithHint("%s", hint)
	}
	return nil
}

func decode(text json.RawMessage, into any) error {
	if err := once(json.NewDecoder(bytes.NewReader(text)), 0); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}

// once refuses a value in which a name comes twice, of which encoding/json would
// take the last, and one that is nested too deep.
func once(dec *json.Decoder, depth int) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	d, nests := t.(json.Delim)
	if !nests {
		return nil
	}
	if depth > maxDepth {
		return fmt.Errorf("nested more than %d deep", maxDepth)
	}
	seen := map[any]bool{}
	for dec.More() {
		if d == '{' {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			if seen[key] {
				return fmt.Errorf("%q stands there twice", key)
			}
			seen[key] = true
		}
		if err := once(dec, depth+1); err != nil {
			return err
		}
	}
	_, err = dec.Token() // the end
	return err
}
