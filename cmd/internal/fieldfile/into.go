package fieldfile

import (
	"bytes"
	"encoding/json"

	"evidenced/evidence/problem"
	"evidenced/evidence/strictjson"
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
	if _, err := strictjson.Value(text, maxDepth+1); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}
