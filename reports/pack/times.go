package pack

import (
	"fmt"
	"reflect"
	"time"
)

// inUTC requires that every time in a decoded value is written in UTC and lies in
// the years that records have. With another offset the verdict would depend on
// the zone of the machine that reads it: one that has that offset itself takes
// two such times for one and the same, another does not.
func inUTC(v any) error { return times(reflect.ValueOf(v), true) }

// inYears is inUTC for contents of records, whose times may be written with other
// offsets, since nobody compares their text.
func inYears(v any) error { return times(reflect.ValueOf(v), false) }

var timeType = reflect.TypeFor[time.Time]()

func times(v reflect.Value, utc bool) error {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return times(v.Elem(), utc)
		}
	case reflect.Struct:
		if v.Type() == timeType {
			t := v.Interface().(time.Time)
			switch {
			case utc && (t.Location() != time.UTC || t.Year() < 1):
				return fmt.Errorf("time %s is not written in UTC", t.Format(time.RFC3339Nano))
			case t.Year() < 1:
				return fmt.Errorf("bad value '%s'", t.Format(time.RFC3339Nano))
			}
			return nil
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); !f.IsExported() && !f.Anonymous {
				continue
			}
			if err := times(v.Field(i), utc); err != nil {
				return err
			}
		}
	case reflect.Slice, reflect.Array:
		if !holdsTimes(v.Type().Elem()) {
			return nil
		}
		for i := range v.Len() {
			if err := times(v.Index(i), utc); err != nil {
				return err
			}
		}
	case reflect.Map:
		if !holdsTimes(v.Type().Elem()) {
			return nil
		}
		for it := v.MapRange(); it.Next(); {
			if err := times(it.Value(), utc); err != nil {
				return err
			}
		}
	}
	return nil
}

// holdsTimes reports whether a value of the type could hold a time: long lists of
// numbers and hashes are not walked.
func holdsTimes(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		return holdsTimes(t.Elem())
	case reflect.Struct, reflect.Pointer, reflect.Interface, reflect.Map:
		return true
	}
	return false
}
