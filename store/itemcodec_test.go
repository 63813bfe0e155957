package store

import (
	"reflect"
	"testing"
	"time"

	"evidenced/evidence"
)

// fill sets every field that v has to something that is not its zero value, so
// that a field the codec forgets is missed.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Unix(int64(*n)*1e6, int64(*n)).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("s\xff\x00" + string(rune('a'+*n%26)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint64:
		v.SetUint(uint64(*n) << 40)
	case reflect.Uint8:
		v.SetUint(uint64(*n%255) + 1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() { // what a log adds for itself never goes through an intake
				fill(t, v.Field(i), n)
			}
		}
	default:
		t.Fatalf("the test cannot fill a %s", v.Type())
	}
}

func TestItemsKeepEveryField(t *testing.T) {
	full, n := Item{}, 0
	fill(t, reflect.ValueOf(&full).Elem(), &n)
	full.Draft.Mentions = nil // each tenant's view is made before, and has none
	for _, items := range [][]Item{{}, {{}}, {full}, {full, {}, full}} {
		got, err := decodeItems(encodeItems(items))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(items) {
			t.Fatalf("%d items became %d", len(items), len(got))
		}
		for i := range items {
			if !reflect.DeepEqual(got[i], items[i]) {
				t.Errorf("item %d of %d:\n got %+v\nwant %+v", i, len(items), got[i], items[i])
			}
		}
	}
}

func FuzzDecodeItems(f *testing.F) {
	var full Item
	full.Draft.OccurredAt = time.Unix(1, 2).UTC()
	full.Draft.People = []evidence.Person{{Role: "author", Realm: "r", NativeID: "1"}}
	full.Carries = &evidence.At{Seq: 7}
	f.Add(encodeItems([]Item{full, {}}))
	f.Add([]byte{itemsVersion, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		items, err := decodeItems(b)
		if err != nil {
			return
		}
		again, err := decodeItems(encodeItems(items))
		if err != nil || !reflect.DeepEqual(again, items) {
			t.Fatalf("items do not survive: %v", err)
		}
	})
}
