package kube

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

// largeSpaces is how many namespaces the pods of a benchmark stand in.
const largeSpaces = 300

// bulk is what makes a pod of the fake platform about as large as a real one:
// 5 KB, half of it managed fields.
var bulk = struct{ managed, spec string }{
	managed: `[{"manager":"kubelet","operation":"Update","fieldsV1":{` + strings.Repeat(`"f:status":{"f:conditions":{}},`, 70) + `"f:x":{}}}]`,
	spec:    `{"nodeName":"node-a","containers":[` + strings.Repeat(`{"name":"web","image":"registry.example.org/shop/web:1.4.2","env":[{"name":"MODE","value":"live"}],"resources":{"limits":{"memory":"128Mi"}}},`, 15) + `{"name":"last"}]}`,
}

func largePod(w io.Writer, i, version int) {
	fmt.Fprintf(w, `{"metadata":{"name":"web-%d","namespace":"ns-%d","uid":"0b6d8d0e-7b4c-4f0e-9a57-%012d","resourceVersion":"%d","creationTimestamp":"2026-11-14T09:00:00Z","labels":{"app":"web"},"managedFields":%s},"spec":%s,"status":{"phase":"Running-%d"}}`,
		i, i%largeSpaces, i, 1000+version, bulk.managed, bulk.spec, version)
}

// BenchmarkListObject is the cost of one object of a list, up to its draft.
func BenchmarkListObject(b *testing.B) {
	var page bytes.Buffer
	const n = 500
	page.WriteString(`{"items":[`)
	for i := range n {
		if i > 0 {
			page.WriteByte(',')
		}
		largePod(&page, i, 0)
	}
	page.WriteString(`],"metadata":{"resourceVersion":"1"}}`)
	res := tiny()[0]
	cuts, err := res.check()
	if err != nil {
		b.Fatal(err)
	}
	f := &feed{res: &res, cuts: cuts, version: "v1"}
	l := NewLook("kubernetes/prod", "tiny/1", worldBegin)
	b.SetBytes(int64(page.Len() / n))
	b.ReportAllocs()
	for i := 0; i < b.N; {
		_, err := decodeList(bytes.NewReader(page.Bytes()), 1<<20, func(raw []byte) error {
			i++
			o, err := f.parse(raw, worldBegin, evidence.Request{})
			if err != nil {
				return err
			}
			_, err = res.Drafts(b.Context(), o, l)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWatchEvent is the cost of one event of a watch, up to its object.
func BenchmarkWatchEvent(b *testing.B) {
	var line bytes.Buffer
	line.WriteString(`{"type":"MODIFIED","object":`)
	largePod(&line, 1, 1)
	line.WriteString("}\n")
	res := tiny()[0]
	cuts, err := res.check()
	if err != nil {
		b.Fatal(err)
	}
	f := &feed{res: &res, cuts: cuts, version: "v1", clock: func() time.Time { return worldBegin }}
	b.SetBytes(int64(line.Len()))
	b.ReportAllocs()
	for b.Loop() {
		e, err := newWatchDecoder(bytes.NewReader(line.Bytes()), 1<<20).next()
		if err != nil {
			b.Fatal(err)
		}
		if err := f.event(b.Context(), e, worldBegin, evidence.Request{}, func(context.Context, message) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
