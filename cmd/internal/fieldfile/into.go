package fieldfile

import (
	"bytes"
	"encoding/json"

	"evidenced/evidence/problem"
)

// Into reads one document into a struct by its JSON names. A name that the
// struct does not have is refused; the hint says what there is.
func Into(name string, data []byte, into any, hint string) error {
	v, err := parse(data)
	if err != nil {
		return problem.Wrap(problem.Usage, err, "cannot read the fields in %s", name).WithHint("%s", hint)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return problem.Wrap(problem.Usage, err, "cannot read the fields in %s", name).WithHint("%s", hint)
	}
	return nil
}
