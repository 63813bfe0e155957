package mappings

import "testing"

// What a changed expression lets through, by its form; what the form does not
// show is never called looser or tighter.
func TestRelate(t *testing.T) {
	for _, tc := range []struct {
		old, young string
		want       relation
	}{
		{"item.a", "item.a", alike},
		{"item.a&&item.b", "item.a  && item.b", alike},
		{"item.a && item.b", "item.a", looser},
		{"item.a", "item.a && item.b", tighter},
		{"item.a && item.b", "item.b && item.a", alike},
		{"item.a", "item.a || item.b", looser},
		{"item.a || item.b", "item.b", tighter},
		{"item.a || item.b", "item.a && item.b", other},
		{"item.a", "item.b", other},
		{"", "item.a", tighter},
		{"item.a", "", looser},
		{"", "", alike},
		{"", "true", alike},
		{"true", "item.a", tighter},
		{"item.age < duration('90d')", "item.age < duration('180d')", other}, // days are no duration of CEL
		{"item.age < duration('24h')", "item.age < duration('48h')", looser},
		{"item.age < duration('48h')", "item.age < duration('24h')", tighter},
		{"item.age < duration('2h')", "item.age < duration('120m')", alike},
		{"item.age < duration('24h')", "item.age <= duration('24h')", looser},
		{"item.age <= duration('24h')", "item.age < duration('24h')", tighter},
		{"item.grade >= 4", "item.grade >= 3", looser},
		{"item.grade > 3", "item.grade > 4", tighter},
		{"item.grade >= -1", "item.grade >= -2", looser},
		{"item.rate <= 0.5", "item.rate <= 0.75", looser},
		{"item.age < duration('24h')", "item.life < duration('48h')", other},
		{"item.age < duration('24h')", "item.age > duration('24h')", other},
		{"item.age < item.life", "item.age < item.other", other},
		{"!(item.age > duration('24h'))", "!(item.age > duration('48h'))", looser},
		{"!item.a", "!(item.a && item.b)", looser},
		{"!(item.a || item.b)", "!item.a", looser},
		{"item.a && item.age < duration('24h')", "item.a && item.age < duration('48h')", looser},
		{"item.a || item.age < duration('24h')", "item.a || item.age < duration('12h')", tighter},
		{"item.a && item.b && item.age < duration('1h')", "item.a && item.age < duration('2h')", other},
		{"item.env in ['prod']", "item.env in ['prod', 'stage']", looser},
		{"item.env in ['prod', 'stage']", "item.env in ['prod']", tighter},
		{"item.env in ['prod']", "item.env in ['stage']", other},
		{"item.env in ['prod', 'stage']", "item.env in ['stage', 'prod']", alike},
		{"item.a ? item.b : item.c", "item.a ? item.b : true", other},
		{"item.list.all(x, x > 1)", "item.list.exists(x, x > 1)", other},
		{"item.a &&", "item.a", other},
		{"item.a", "item.a)(", other},
	} {
		if got := relate(tc.old, tc.young); got != tc.want {
			t.Errorf("%q, then %q: %d, want %d", tc.old, tc.young, got, tc.want)
		}
		turned := map[relation]relation{alike: alike, looser: tighter, tighter: looser, other: other}
		if got := relate(tc.young, tc.old); got != turned[tc.want] {
			t.Errorf("%q, then %q: %d, want %d", tc.young, tc.old, got, turned[tc.want])
		}
	}
}

func FuzzRelate(f *testing.F) {
	f.Add("item.a && item.age < duration('1h')", "item.a")
	f.Add("x in [1,2]", "x in [1]")
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a)+len(b) > 2000 {
			return
		}
		if relate(a, a) != alike {
			t.Errorf("%q is not alike itself", a)
		}
		if x, y := relate(a, b), relate(b, a); x.turned() != y {
			t.Errorf("%q and %q: %d one way, %d the other", a, b, x, y)
		}
	})
}
