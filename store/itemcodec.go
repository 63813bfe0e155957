package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"evidenced/evidence"
)

// What the intake keeps of a part: its items, byte for byte as they came. A
// form of our own, because JSON folds bytes that are not UTF-8 into one.
//
// An item is its fields in order. Strings and bytes have their length before
// them, lists their number, integers are unsigned varints, a time is its
// seconds (varint, zig-zag) and nanoseconds, or one zero byte for none.

// itemsVersion is the first byte of encoded items.
const itemsVersion = 1

func encodeItems(items []Item) []byte {
	e := encoder{b: make([]byte, 0, len(items)*1024+64)}
	e.b = append(e.b, itemsVersion)
	e.uint(uint64(len(items)))
	for i := range items {
		e.item(&items[i])
	}
	return e.b
}

type encoder struct{ b []byte }

func (e *encoder) uint(n uint64) { e.b = binary.AppendUvarint(e.b, n) }

func (e *encoder) str(s string) {
	e.uint(uint64(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) time(t time.Time) {
	if t.IsZero() {
		e.b = append(e.b, 0)
		return
	}
	e.b = append(e.b, 1)
	e.b = binary.AppendVarint(e.b, t.Unix())
	e.uint(uint64(t.Nanosecond()))
}

func (e *encoder) ref(r evidence.Ref) {
	e.str(r.Scheme)
	e.str(r.Authority)
	e.str(r.Name)
	e.str(r.UID)
}

func (e *encoder) refs(rs []evidence.Ref) {
	e.uint(uint64(len(rs)))
	for _, r := range rs {
		e.ref(r)
	}
}

func (e *encoder) flag(f bool) {
	if f {
		e.b = append(e.b, 1)
		return
	}
	e.b = append(e.b, 0)
}

func (e *encoder) at(a *evidence.At) {
	e.flag(a != nil)
	if a != nil {
		e.str(a.Origin)
		e.uint(a.Seq)
		e.b = append(e.b, a.Leaf[:]...)
	}
}

func (e *encoder) item(it *Item) {
	d := &it.Draft
	e.str(string(d.Kind))
	e.str(string(d.Op))
	e.str(string(d.Source))
	e.str(d.Key)
	e.ref(d.Subject)
	e.uint(uint64(len(d.People)))
	for _, p := range d.People {
		e.str(string(p.Role))
		e.str(p.Realm)
		e.str(p.NativeID)
		e.str(p.Names.Login)
		e.str(p.Names.Display)
		e.str(p.Names.Mail)
		e.flag(p.Names.Bot)
		e.flag(p.Names.Shared)
		e.str(string(p.Proof))
	}
	e.time(d.OccurredAt)
	e.str(string(d.Basis))
	e.time(d.NotBefore)
	e.time(d.ObservedAt)
	e.refs(d.Links)
	e.refs(d.Scope)
	e.refs(d.ActorScope)
	e.str(string(d.Content))
	e.str(string(d.Text))
	e.str(string(d.Raw))
	e.uint(uint64(len(d.Removed)))
	for _, r := range d.Removed {
		e.str(r)
	}
	e.str(d.Request.Method)
	e.str(d.Request.URL)
	e.str(d.Request.Response)
	e.str(d.Request.Agent)
	e.str(string(it.Actor))
	e.b = append(e.b, it.Run[:]...)
	e.at(it.Carries)
	e.at(it.From)
}

// decodeItems reads what encodeItems wrote. Whatever the bytes are, it takes
// no more memory than a small multiple of their length.
func decodeItems(b []byte) ([]Item, error) {
	if len(b) == 0 || b[0] != itemsVersion {
		return nil, errors.New("items of an unknown version")
	}
	d := decoder{b: b[1:]}
	items := make([]Item, d.count(minItem))
	for i := range items {
		d.item(&items[i])
	}
	if d.err == nil && len(d.b) > 0 {
		d.fail("%d bytes after the last item", len(d.b))
	}
	if d.err != nil {
		return nil, fmt.Errorf("items: %w", d.err)
	}
	return items, nil
}

// minItem is the fewest bytes an item, minPart the fewest a person or a
// reference takes: a count beyond what the bytes can hold is refused before
// memory is taken for it.
const (
	minItem = 32
	minPart = 4
)

type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
		d.b = nil
	}
}

func (d *decoder) uint() uint64 {
	n, used := binary.Uvarint(d.b)
	if used <= 0 {
		d.fail("cut short")
		return 0
	}
	d.b = d.b[used:]
	return n
}

func (d *decoder) int() int64 {
	n, used := binary.Varint(d.b)
	if used <= 0 {
		d.fail("cut short")
		return 0
	}
	d.b = d.b[used:]
	return n
}

func (d *decoder) count(each int) int {
	n := d.uint()
	if n > uint64(len(d.b)/each) {
		d.fail("%d of something in %d bytes", n, len(d.b))
		return 0
	}
	return int(n)
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail("cut short")
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) str() string { return string(d.take(d.uint())) }

// bytes returns nil for none, as drafts have it.
func (d *decoder) bytes() []byte {
	if v := d.take(d.uint()); len(v) > 0 {
		return v
	}
	return nil
}

func (d *decoder) flag() bool {
	v := d.take(1)
	if len(v) == 1 && v[0] > 1 {
		d.fail("a flag of %d", v[0])
	}
	return len(v) == 1 && v[0] == 1
}

func (d *decoder) time() time.Time {
	if !d.flag() {
		return time.Time{}
	}
	sec := d.int()
	nano := d.uint()
	if nano >= 1e9 {
		d.fail("a time with %d nanoseconds", nano)
		return time.Time{}
	}
	return time.Unix(sec, int64(nano)).UTC()
}

func (d *decoder) ref() evidence.Ref {
	return evidence.Ref{Scheme: d.str(), Authority: d.str(), Name: d.str(), UID: d.str()}
}

func (d *decoder) refs() []evidence.Ref {
	n := d.count(minPart)
	if n == 0 {
		return nil
	}
	rs := make([]evidence.Ref, n)
	for i := range rs {
		rs[i] = d.ref()
	}
	return rs
}

func (d *decoder) at() *evidence.At {
	if !d.flag() {
		return nil
	}
	a := &evidence.At{Origin: d.str(), Seq: d.uint()}
	copy(a.Leaf[:], d.take(uint64(len(a.Leaf))))
	return a
}

func (d *decoder) item(it *Item) {
	r := &it.Draft
	r.Kind, r.Op, r.Source = evidence.Kind(d.str()), evidence.Op(d.str()), evidence.SourceID(d.str())
	r.Key, r.Subject = d.str(), d.ref()
	if n := d.count(minPart); n > 0 {
		r.People = make([]evidence.Person, n)
		for i := range r.People {
			p := &r.People[i]
			p.Role, p.Realm, p.NativeID = evidence.Role(d.str()), d.str(), d.str()
			p.Names.Login, p.Names.Display, p.Names.Mail = d.str(), d.str(), d.str()
			p.Names.Bot, p.Names.Shared = d.flag(), d.flag()
			p.Proof = evidence.Proof(d.str())
		}
	}
	r.OccurredAt, r.Basis, r.NotBefore, r.ObservedAt = d.time(), evidence.Basis(d.str()), d.time(), d.time()
	r.Links, r.Scope, r.ActorScope = d.refs(), d.refs(), d.refs()
	r.Content, r.Text, r.Raw = d.bytes(), d.bytes(), d.bytes()
	if n := d.count(1); n > 0 {
		r.Removed = make([]string, n)
		for i := range r.Removed {
			r.Removed[i] = d.str()
		}
	}
	r.Request = evidence.Request{Method: d.str(), URL: d.str(), Response: d.str(), Agent: d.str()}
	it.Actor = evidence.ActorTenant(d.str())
	copy(it.Run[:], d.take(uint64(len(it.Run))))
	it.Carries, it.From = d.at(), d.at()
}
