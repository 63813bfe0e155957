package incident

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	leiForm      = regexp.MustCompile(`^[A-Z0-9]{18}[0-9]{2}$`)
	currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)
	languageForm = regexp.MustCompile(`^[a-z]{2}$`)
	cveForm      = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,19}$`)
)

// IsLEI reports whether the text has the form of a legal entity identifier.
func IsLEI(s string) bool { return leiForm.MatchString(s) }

// LEIChecks reports whether the check digits of a legal entity identifier fit:
// ISO 17442 takes them from ISO 7064, letters counting from 10 on, modulo 97.
func LEIChecks(lei string) bool {
	rest := 0
	for _, c := range lei {
		switch {
		case c >= '0' && c <= '9':
			rest = (rest*10 + int(c-'0')) % 97
		case c >= 'A' && c <= 'Z':
			rest = (rest*100 + int(c-'A') + 10) % 97
		default:
			return false
		}
	}
	return rest == 1
}

// validate reports the first field that cannot be: a value outside its list, a
// number out of range, an order of times that is upside down.
func (f *Fields) validate(now time.Time) error {
	if err := f.lists(); err != nil {
		return err
	}
	if err := f.codes(); err != nil {
		return err
	}
	if err := f.numbers(); err != nil {
		return err
	}
	if err := f.causes(); err != nil {
		return err
	}
	return f.Times.check(now)
}

func (f *Fields) lists() error {
	for _, path := range slices.Sorted(maps.Keys(lists)) { // the same first fault every time
		l := lists[path]
		set := stringsAt(f, path)
		for i, s := range set {
			if !slices.Contains(l.Values, s) {
				return fmt.Errorf("%s: %.60q is not in %s: %s", path, s, l.Name, strings.Join(l.Values, ", "))
			}
			if slices.Contains(set[:i], s) {
				return fmt.Errorf("%s: %s stands there twice", path, s)
			}
		}
	}
	for i, e := range append([]Entity{f.Reporter.Parent, f.Nature.Origin}, f.Reporter.Affected...) {
		for _, s := range e.Types {
			if !slices.Contains(listA.Values, s) {
				return fmt.Errorf("types of entity %d: %.60q is not in %s", i, s, listA.Name)
			}
		}
	}
	if told := f.Response.Told; len(told) > 1 && slices.Contains(told, "none") {
		return fmt.Errorf("response.authorities_told: none excludes the others")
	}
	return nil
}

// stringsAt returns the text or texts of a field.
func stringsAt(f *Fields, path string) []string {
	v, ok := at(f, path)
	if !ok {
		return nil
	}
	switch x := v.Interface().(type) {
	case string:
		if x != "" {
			return []string{x}
		}
	case []string:
		return x
	}
	return nil
}

// at finds the value of a field by its path.
func at(f *Fields, path string) (reflect.Value, bool) {
	v := reflect.ValueOf(f).Elem()
	for name := range strings.SplitSeq(path, ".") {
		found := false
		for i := range v.NumField() {
			sf := v.Type().Field(i)
			if sf.Anonymous {
				inner := v.Field(i)
				for k := range inner.NumField() {
					if tag, _, _ := strings.Cut(inner.Type().Field(k).Tag.Get("json"), ","); tag == name {
						v, found = inner.Field(k), true
						break
					}
				}
				if found {
					break
				}
				continue
			}
			if tag, _, _ := strings.Cut(sf.Tag.Get("json"), ","); tag == name {
				v, found = v.Field(i), true
				break
			}
		}
		if !found {
			return reflect.Value{}, false
		}
	}
	return v, true
}

// Value returns the field's value; nil when it is not set, or there is none of
// that path.
func (f *Fields) Value(path string) any {
	if !f.Has(path) {
		return nil
	}
	v, _ := at(f, path)
	return v.Interface()
}

// Has reports whether the field is set; an empty list says nothing.
func (f *Fields) Has(path string) bool {
	v, ok := at(f, path)
	if k := v.Kind(); ok && (k == reflect.Slice || k == reflect.Map) {
		return v.Len() > 0
	}
	return ok && !v.IsZero()
}

func (f *Fields) codes() error {
	for _, e := range []struct{ path, v string }{
		{"reporter.lei", f.Reporter.LEI}, {"reporter.parent.lei", f.Reporter.Parent.LEI},
	} {
		if e.v != "" && !leiForm.MatchString(e.v) {
			return fmt.Errorf("%s: %.40q is no LEI: want 18 letters or digits and two digits", e.path, e.v)
		}
	}
	for i, e := range f.Reporter.Affected {
		if e.LEI != "" && !leiForm.MatchString(e.LEI) {
			return fmt.Errorf("reporter.affected[%d].lei: %.40q is no LEI: want 18 letters or digits and two digits", i, e.LEI)
		}
	}
	states := strings.Fields(eea)
	for _, l := range []struct {
		path  string
		codes []string
	}{{"reporter.state", []string{f.Reporter.State}}, {"place.states", f.Place.States}, {"place.markets", f.Place.Markets}} {
		for _, s := range l.codes {
			if s != "" && !slices.Contains(states, s) {
				return fmt.Errorf("%s: %.10q is no state of the European Economic Area: want an ISO 3166 code such as DE, Greece is GR", l.path, s)
			}
		}
	}
	if z := f.Reporter.Zone; z != "" {
		if _, err := time.LoadLocation(z); err != nil || z == "Local" {
			return fmt.Errorf("reporter.zone: %.40q is no time zone: want an IANA name such as Europe/Berlin", z)
		}
	}
	switch {
	case f.Reporter.Currency != "" && !currencyForm.MatchString(f.Reporter.Currency):
		return fmt.Errorf("reporter.currency: %.10q is no ISO 4217 code such as EUR", f.Reporter.Currency)
	case f.Identity.Language != "" && !languageForm.MatchString(f.Identity.Language):
		return fmt.Errorf("identity.language: %.10q is no ISO 639-1 code such as de", f.Identity.Language)
	}
	for _, c := range f.Product.CVEs {
		if !cveForm.MatchString(c) {
			return fmt.Errorf("product.cves: %.40q is no CVE number", c)
		}
	}
	return nil
}

// maxNumber keeps numbers exact in every JSON reader.
const maxNumber = 1<<53 - 1

func (f *Fields) numbers() error {
	var bad error
	walkType(reflect.TypeFor[Fields](), "", func(path string, _ field) {
		v, ok := at(f, path)
		if !ok || bad != nil {
			return
		}
		switch x := v.Interface().(type) {
		case *int64:
			if x != nil && (*x < 0 || *x > maxNumber) {
				bad = fmt.Errorf("%s: %d is out of range: want 0 to 2^53", path, *x)
			}
		case *float64:
			if x != nil && !(*x >= 0 && *x <= 100) && path != "business.transactions_value_share" && path != "business.transactions.share" {
				bad = fmt.Errorf("%s: %v is no percentage: want 0 to 100", path, *x)
			} else if x != nil && !(*x >= 0 && *x <= maxNumber) {
				bad = fmt.Errorf("%s: %v is no percentage: want 0 or more", path, *x)
			}
		case map[string]int64:
			for name, n := range x {
				if n < 0 || n > maxNumber {
					bad = fmt.Errorf("%s.%.40q: %d is out of range: want 0 to 2^53", path, name, n)
				}
			}
		case int:
			if x < 0 || x > 10000 {
				bad = fmt.Errorf("%s: %d is out of range: want 0 to 10000", path, x)
			}
		}
	})
	return bad
}

// causes checks that each finer cause stands below a named coarser one.
func (f *Fields) causes() error {
	c := f.Causes
	for _, d := range c.Detailed {
		for _, h := range highOf {
			if strings.HasPrefix(d, h.prefix) && !slices.Contains(c.High, h.high) {
				return fmt.Errorf("causes.detailed: %s stands below %s, which is not in causes.high", d, h.high)
			}
		}
	}
	for _, a := range c.Additional {
		ok := false
		for j, ks := range under {
			ok = ok || slices.Contains(ks, a) && slices.Contains(c.Detailed, j)
		}
		if !ok {
			return fmt.Errorf("causes.additional: %s stands below none of causes.detailed", a)
		}
	}
	return nil
}

// check refuses times that lie ahead and an order that cannot be.
func (t *Times) check(now time.Time) error {
	past := []struct {
		name string
		at   time.Time
	}{
		{"occurred", t.Occurred}, {"first_trace", t.FirstTrace}, {"detected", t.Detected}, {"contained", t.Contained}, {"restored", t.Restored},
		{"recovered", t.Recovered}, {"root_cause_addressed", t.Addressed}, {"resolved", t.Resolved}, {"measure_available", t.Available},
		{"handled", t.Handled}, {"first_occurrence", t.FirstOfMany}, {"clients_hit", t.ClientsHit},
	}
	for _, x := range past {
		if x.at.After(now) {
			return fmt.Errorf("times.%s: %s lies ahead: it is %s", x.name, x.at.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
		}
		if !x.at.IsZero() && x.at.Year() < 1970 {
			return fmt.Errorf("times.%s: %s is out of range", x.name, x.at.UTC().Format(time.RFC3339))
		}
		if early := t.Occurred; !x.at.IsZero() && x.at.Before(early) && x.name != "first_occurrence" {
			return fmt.Errorf("times.%s: %s is before the incident occurred (%s): correct one of the two", x.name, x.at.UTC().Format(time.RFC3339), early.UTC().Format(time.RFC3339))
		}
	}
	for _, o := range []struct {
		first, then string
		a, b        time.Time
	}{
		{"detected", "resolved", t.Detected, t.Resolved}, {"detected", "handled", t.Detected, t.Handled}, {"first_occurrence", "occurred", t.FirstOfMany, t.Occurred},
	} {
		if !o.a.IsZero() && !o.b.IsZero() && o.b.Before(o.a) {
			return fmt.Errorf("times.%s: %s is before times.%s (%s)", o.then, o.b.UTC().Format(time.RFC3339), o.first, o.a.UTC().Format(time.RFC3339))
		}
	}
	return nil
}
