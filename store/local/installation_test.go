package local

import (
	"bytes"
	"testing"
	"time"
)

// What is taken for an installation file is one to the last byte: a changed
// letter in its clock would turn a demonstration into evidence.
func TestParseInstallation(t *testing.T) {
	whole, err := installation{Format: 1, ID: "00112233aabbccdd", Clock: "simulated", Created: time.Date(2026, 11, 1, 8, 0, 0, 5, time.UTC)}.bytes()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseInstallation(whole); err != nil {
		t.Errorf("as it is written: %v", err)
	}
	for name, b := range map[string][]byte{
		"another clock":  bytes.Replace(whole, []byte("simulated"), []byte("sioulated"), 1),
		"a lost name":    bytes.Replace(whole, []byte(`"clock"`), []byte(`"blocks"`), 1),
		"two of a name":  bytes.Replace(whole, []byte(`"format": 1,`), []byte(`"format": 1, "format": 1,`), 1),
		"more behind it": append(bytes.Clone(whole), "x"...),
		"no end":         bytes.TrimSuffix(whole, []byte("}\n")),
		"no id":          bytes.Replace(whole, []byte("00112233aabbccdd"), nil, 1),
		"white space":    append([]byte(" "), whole...),
	} {
		if inst, err := parseInstallation(b); err == nil {
			t.Errorf("%s: got %+v", name, inst)
		}
	}
	if inst, err := parseInstallation([]byte(`{"format":2,"installation":"x","more":1}`)); err != nil || inst.Format != 2 {
		t.Errorf("a newer format: got %+v, %v", inst, err)
	}
}

func FuzzParseInstallation(f *testing.F) {
	whole, err := installation{Format: 1, ID: "00112233aabbccdd", Clock: "real", Created: time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)}.bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"format":2,"installation":"x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		inst, err := parseInstallation(b)
		if err != nil || inst.Format != 1 {
			return
		}
		if again, err := inst.bytes(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%q reads as %+v, which is %q", b, inst, again)
		}
	})
}
