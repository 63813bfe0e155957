// Package strictjson reads JSON that a person or another program wrote, and
// refuses what encoding/json would decide in silence.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Value reads the one value in data: an object as map[string]any, a list as
// []any, a number as json.Number. Refused are a name that stands twice in an
// object, of which encoding/json takes the last; anything behind the value; and
// objects and lists within each other more than depth times.
func Value(data []byte, depth int) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := value(dec, depth, depth)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("more than one JSON document")
	}
	return v, nil
}

// value reads a value that may hold left levels of the depth.
func value(dec *json.Decoder, left, depth int) (any, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("no JSON: %w", err)
	}
	d, is := t.(json.Delim)
	if !is {
		return t, nil
	}
	if left == 0 {
		return nil, fmt.Errorf("nested more than %d deep", depth)
	}
	if d == '[' {
		list := []any{}
		for dec.More() {
			v, err := value(dec, left-1, depth)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	obj := map[string]any{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("no JSON: %w", err)
		}
		key, ok := name.(string)
		if !ok {
			return nil, fmt.Errorf("no JSON object")
		}
		if _, twice := obj[key]; twice {
			return nil, fmt.Errorf("%q stands there twice", key)
		}
		if obj[key], err = value(dec, left-1, depth); err != nil {
			return nil, err
		}
	}
	_, err = dec.Token()
	return obj, err
}
