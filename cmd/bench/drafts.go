package main

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"evidenced/evidence"
	"evidenced/store"
)

// What the drafts are: one in four states what an application runs, the others
// are requests to a secret store. Each has facts of about 1 KB, three links
// and one person; keys are distinct, subjects are few enough to come again.
const (
	subjects   = 100_000
	people     = 1_000
	stateEvery = 4
	batchSize  = 1000 // where nothing else is said
)

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// occurred is the time of the n-th draft.
func occurred(n int) time.Time { return begin.Add(time.Duration(n) * time.Second) }

// item makes the n-th draft, always the same.
func item(n int) store.Item {
	at := occurred(n)
	person := evidence.Person{
		Role: evidence.RoleInitiator, Realm: "forge:prod", NativeID: strconv.Itoa(n % people),
		Names: evidence.Names{Login: "login-" + strconv.Itoa(n%people)}, Proof: evidence.ProofAuthenticated,
	}
	d := evidence.Draft{
		OccurredAt: at, Basis: evidence.BasisSource, ObservedAt: at.Add(2 * time.Second), People: []evidence.Person{person},
		Request: evidence.Request{Method: "GET", Agent: "bench/1"},
	}
	if n%stateEvery == 0 {
		state(&d, n/stateEvery)
	} else {
		request(&d, n)
	}
	return store.Item{Draft: d, Actor: evidence.ActorOwn, Run: evidence.ID{1}}
}

func items(from, n int) []store.Item {
	is := make([]store.Item, n)
	for i := range is {
		is[i] = item(from + i)
	}
	return is
}

// appOf says whose state the i-th state is. The factor has no divisor in
// common with the number of subjects, so all come by before one comes again.
func appOf(i int) int { return i * 61 % subjects }

func appRef(app int) evidence.Ref {
	return evidence.NewRef("app", "prod", "argocd/app-"+strconv.Itoa(app))
}

// state makes the i-th state: an application at another revision than before.
func state(d *evidence.Draft, i int) {
	app := strconv.Itoa(appOf(i))
	rev := digits(uint64(i), 40)
	sum := digits(uint64(i)+1, 64)
	image := "registry.example/app-" + app + "@sha256:" + sum
	d.Kind, d.Op, d.Source, d.Subject = evidence.DeployState, evidence.OpSet, "argocd/prod", appRef(appOf(i))
	d.Links = []evidence.Ref{evidence.NewRef("commit", "", rev), evidence.NewRef("image", "", "sha256:"+sum), evidence.NewRef("ns", "prod", "app-"+app)}
	b := make([]byte, 0, 1200)
	b = append(append(b, `{"app":"argocd/app-`...), app...)
	b = append(append(b, `","uid":"5f1c2d90-0000-4000-8000-000000000000","project":"tenant","namespace":"app-`...), app...)
	b = append(append(b, `","sources":[{"repo_url":"https://forge.example/acme/app-`...), app...)
	b = append(append(b, `.git","path":"deploy","target_revision":"main"}],"revisions":["`...), rev...)
	b = append(append(b, `"],"synced_revisions":["`...), rev...)
	b = append(append(b, `"],"history_id":`...), strconv.Itoa(i)...)
	b = append(append(b, `,"sync":"Synced","health":"Healthy","images":["`...), image...)
	b = append(b, `"],"resources":[`...)
	for j, kind := range []string{"Deployment", "Service", "ConfigMap", "ServiceAccount", "NetworkPolicy", "PodDisruptionBudget"} {
		if j > 0 {
			b = append(b, ',')
		}
		b = append(append(b, `{"kind":"`...), kind...)
		b = append(append(b, `","namespace":"app-`...), app...)
		b = append(append(b, `","name":"app-`...), app...)
		b = append(b, `","status":"Synced"}`...)
	}
	d.Content = append(b, `],"automated":true}`...)
}

// request makes one audited request to a secret store.
func request(d *evidence.Draft, n int) {
	app := strconv.Itoa(n * 7919 % subjects)
	id := digits(uint64(n), 32)
	d.Kind, d.Op, d.Source, d.Key = evidence.SecretAccess, evidence.OpEvent, "vault/prod", id
	d.Subject = evidence.NewRef("secret", "prod", "kv/app-"+app+"/db")
	d.Links = []evidence.Ref{
		evidence.NewRef("request", "prod", id), evidence.NewRef("role", "prod", "kubernetes/app-"+app), evidence.NewRef("ns", "prod", "app-"+app),
	}
	b := make([]byte, 0, 1200)
	b = append(append(b, `{"request_id":"`...), id...)
	b = append(append(b, `","operation":"read","path":"kv/data/app-`...), app...)
	b = append(append(b, `/db","mount":"kv/","mount_type":"kv","outcome":"ok","reading":true,"secret":"kv/app-`...), app...)
	b = append(append(b, `/db","who":0,"entity":"00000000-0000-4000-8000-000000000000","auth_method":"kubernetes","role":"app-`...), app...)
	b = append(append(b, `","sa_namespace":"app-`...), app...)
	b = append(append(b, `","sa_name":"web","policies":["default","app-`...), app...)
	b = append(append(b, `-read"],"token_type":"service","remote":"192.0.2.7","device":"file","accessor":"hmac-sha256:`...), digits(uint64(n)+3, 64)...)
	b = append(b, `","extra":{`...)
	for j := range 4 {
		if j > 0 {
			b = append(b, ',')
		}
		b = append(strconv.AppendInt(append(b, `"request_header_`...), int64(j), 10), `":"hmac-sha256:`...)
		b = append(append(b, digits(uint64(n+j), 64)...), '"')
	}
	d.Content = append(b, `}}`...)
}

// digits returns n hex digits that look random and are always the same for a
// seed (splitmix64).
func digits(seed uint64, n int) string {
	var raw [32]byte
	for i := 0; i < n/2; i += 8 {
		seed += 0x9e3779b97f4a7c15
		z := (seed ^ seed>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		for j := range 8 {
			raw[(i+j)%32] = byte(z >> (8 * j))
		}
	}
	return hex.EncodeToString(raw[:n/2])
}

func tenant(n int) (evidence.Tenant, error) {
	return evidence.ParseTenant(fmt.Sprintf("tenant-%d", n))
}
