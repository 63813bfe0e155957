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
func inUTC(v any) error { return utc(reflect.ValueOf(v)) }

var timeType = reflect.TypeFor[time.Time]()

func utc(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return utc(v.Elem())
		}
	case reflect.Struct:
		if v.Type() == timeType {
			if t := v.Interface().(time.Time); t.Location() != time.UTC || t.Year() < 1 {
				return fmt.Errorf("time %s is not written in UTC", t.Format(time.RFC3339Nano))
			}
			return nil
		}
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				continue
			}
			if err := utc(v.Field(i)); err != nil {
				return err
			}
		}
	case reflect.Slice, reflect.Array:
		if !holdsTimes(v.Type().Elem()) {
			return nil
		}
		for i := range v.Len() {
			if err := utc(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		if !holdsTimes(v.Type().Elem()) {
			return nil
		}
		for it := v.MapRange(); it.Next(); {
			if err := utc(it.Value()); err != nil {
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
