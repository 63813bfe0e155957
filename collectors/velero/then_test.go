package velero

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/kube"
)

// A backup of all namespaces is told to who had one when it ran: neither to who
// came after it, nor to who took a name over, and to who is gone since.
func TestOwnersWhenItRan(t *testing.T) {
	ran := now.Add(-30 * 24 * time.Hour) // until an hour later
	spaces := []kube.Namespace{
		{Name: "velero", UID: "1", Labels: map[string]string{"team": "platform"}},                               // made at a time that is not known
		{Name: "old", UID: "2", Labels: map[string]string{"tenant": "old"}, Made: ran.Add(-time.Hour)},          // there all the time
		{Name: "during", UID: "3", Labels: map[string]string{"tenant": "during"}, Made: ran.Add(time.Minute)},   // made while it ran: it may hold it
		{Name: "new", UID: "4", Labels: map[string]string{"tenant": "new"}, Made: ran.Add(48 * time.Hour)},      // came after it
		{Name: "taken", UID: "5", Labels: map[string]string{"tenant": "second"}, Made: ran.Add(48 * time.Hour)}, // a name that another had
		{Name: "taken", UID: "6", Labels: map[string]string{"tenant": "first"}, Made: ran.Add(-time.Hour), Ended: now.Add(-time.Hour)},
		{Name: "left", UID: "7", Labels: map[string]string{"tenant": "left"}, Made: ran.Add(-time.Hour), Ended: now.Add(-time.Hour)},          // gone since
		{Name: "before", UID: "8", Labels: map[string]string{"tenant": "before"}, Made: ran.Add(-48 * time.Hour), Ended: ran.Add(-time.Hour)}, // gone before it
		{Name: "back", UID: "9", Labels: map[string]string{"tenant": "back", labelRestoreName: "r"}, Made: ran.Add(48 * time.Hour)},           // brought back by a restore
	}
	backup := func(spec, status string, created time.Time) string {
		return fmt.Sprintf(`{"apiVersion":"velero.io/v1","kind":"Backup","metadata":{"name":"b","namespace":"velero","uid":"%s","resourceVersion":"1","creationTimestamp":%q},"spec":%s,"status":%s}`,
			uid("50"), created.Format(time.RFC3339), spec, status)
	}
	done := fmt.Sprintf(`{"phase":"Completed","startTimestamp":%q,"completionTimestamp":%q}`, ran.Format(time.RFC3339), ran.Add(time.Hour).Format(time.RFC3339))
	for name, tt := range map[string]struct{ raw, want string }{
		"all":             {backup(`{}`, done, ran), "back during first left old platform"},
		"*":               {backup(`{"includedNamespaces":["*"],"excludedNamespaces":["old"]}`, done, ran), "back during first left platform"},
		"pattern":         {backup(`{"includedNamespaces":["*e*"]}`, done, ran), "first left platform"},
		"named":           {backup(`{"includedNamespaces":["new","old"]}`, done, ran), "new old"},
		"still running":   {backup(`{}`, fmt.Sprintf(`{"phase":"InProgress","startTimestamp":%q}`, ran.Format(time.RFC3339)), ran), "back during left new old platform second"},
		"failed to begin": {backup(`{}`, `{"phase":"FailedValidation"}`, ran), "back first left old platform"},
		// Of another cluster, maybe: this one was made later.
		"from the bucket": {backup(`{}`, done, ran.Add(24*time.Hour)), "back during new old platform second"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCollector(*defaults())
			c.begin(true)
			s := &stage{t, c, kube.NewLook("velero/prod", agent, now, spaces...)}
			r := s.resource("backups")
			ds, err := r.Drafts(context.Background(), s.object(r, []byte(tt.raw)), s.l)
			if err != nil || len(ds) != 1 {
				t.Fatal(len(ds), err)
			}
			var got []string
			for _, ref := range ds[0].Scope {
				if ref.Scheme == "label" && !strings.HasPrefix(ref.Name, "velero.io/") {
					got = append(got, ref.Name[strings.IndexByte(ref.Name, '=')+1:])
				}
			}
			slices.Sort(got)
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("told to %s, want %s", s, tt.want)
			}
		})
	}
}

// Who is gone, and forgotten, is still told of a backup that was told to them.
func TestOwnersRemembered(t *testing.T) {
	ran := now.Add(-time.Hour)
	raw := fmt.Sprintf(`{"apiVersion":"velero.io/v1","kind":"Backup","metadata":{"name":"b","namespace":"velero","uid":"%s","resourceVersion":"1","creationTimestamp":%q},"spec":{},"status":{"phase":"Completed","startTimestamp":%q,"completionTimestamp":%q}}`,
		uid("50"), ran.Format(time.RFC3339), ran.Format(time.RFC3339), ran.Add(time.Minute).Format(time.RFC3339))
	c := newCollector(*defaults())
	c.begin(true)
	told := func(spaces ...kube.Namespace) string {
		s := &stage{t, c, kube.NewLook("velero/prod", agent, now, spaces...)}
		r := s.resource("backups")
		ds, err := r.Drafts(context.Background(), s.object(r, []byte(raw)), s.l)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, ref := range ds[0].Scope {
			if ref.Scheme == "ns" {
				got = append(got, ref.Name)
			}
		}
		return strings.Join(got, " ")
	}
	old, left := kube.Namespace{Name: "old", Made: ran.Add(-time.Hour)}, kube.Namespace{Name: "left", Made: ran.Add(-time.Hour)}
	if got := told(old, left); got != "left old" {
		t.Fatalf("told to %s", got)
	}
	if got := told(old, kube.Namespace{Name: "new", Made: now.Add(-time.Minute)}); got != "left old" {
		t.Errorf("after one left and one came: told to %s", got)
	}
}
