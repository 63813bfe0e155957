package pack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/witness"
)

// edit decodes a JSON member, changes it and puts it back.
func edit[T any](t *testing.T, u *unpacked, member string, change func(*T)) {
	t.Helper()
	var v T
	if err := json.Unmarshal(u.members[member], &v); err != nil {
		t.Fatal(err)
	}
	change(&v)
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	u.members[member] = b
}

// The receipts of the sample, by their number.
const (
	rcptStart    = "anchors/001"
	rcptStamp    = "anchors/002"
	rcptCosigned = "anchors/003"
	rcptPlace    = "anchors/004"
	rcptProof    = "anchors/005"
)

func TestMakerCannotHideHistory(t *testing.T) {
	type ancestors = []ancestor
	type packs = []Earlier
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, u *unpacked)
		want   string
	}{
		{"proof from the range's begin left away", func(t *testing.T, u *unpacked) {
			edit(t, u, memberConsistency, func(a *ancestors) {
				start := manifestOf(t, u).Start.Size
				*a = slices.DeleteFunc(*a, func(x ancestor) bool { return x.Size == start })
			})
		}, "consistency.json: no proof from the starting checkpoint"},
		{"proof from a listed earlier pack left away", func(t *testing.T, u *unpacked) {
			edit(t, u, memberConsistency, func(a *ancestors) {
				var ps packs
				if err := json.Unmarshal(u.members[memberPacks], &ps); err != nil || len(ps) == 0 {
					t.Fatal("the sample lists no earlier pack", err)
				}
				*a = slices.DeleteFunc(*a, func(x ancestor) bool { return x.Size == ps[0].Facts.Size })
			})
		}, "where the pack closed that record"},
		{"no proofs at all", func(_ *testing.T, u *unpacked) { u.members[memberConsistency] = []byte("[]") }, "no proof from the starting checkpoint"},
		{"a hash of a proof changed", func(t *testing.T, u *unpacked) {
			edit(t, u, memberConsistency, func(a *ancestors) { (*a)[0].Proof[0][3] ^= 1 })
		}, "the log does not extend its tree of size"},
		{"a hash added to a proof", func(t *testing.T, u *unpacked) {
			edit(t, u, memberConsistency, func(a *ancestors) { (*a)[0].Proof = append((*a)[0].Proof, evidence.Hash{1}) })
		}, "the log does not extend its tree of size"},
		{"root of an earlier tree changed", func(t *testing.T, u *unpacked) {
			edit(t, u, memberConsistency, func(a *ancestors) { (*a)[0].Root[0] ^= 1 })
		}, "the log does not extend its tree of size"},
		{"entries in another order", func(t *testing.T, u *unpacked) {
			edit(t, u, memberConsistency, func(a *ancestors) { slices.Reverse(*a) })
		}, "is out of order"},
		{"a tree larger than the closing one", func(t *testing.T, u *unpacked) {
			edit(t, u, memberConsistency, func(a *ancestors) { (*a)[len(*a)-1].Size = 1 << 40 })
		}, "the log does not extend its tree of size 1099511627776"},
		{"earlier pack not listed", func(_ *testing.T, u *unpacked) { u.members[memberPacks] = []byte("[]") },
			"is not listed, although its period overlaps"},
		{"earlier pack said to be smaller", func(t *testing.T, u *unpacked) {
			edit(t, u, memberPacks, func(p *packs) { (*p)[0].Facts.Records-- })
		}, "says otherwise of the earlier pack"},
		{"earlier pack invented", func(t *testing.T, u *unpacked) {
			edit(t, u, memberPacks, func(p *packs) { (*p)[0].Seq++ })
		}, "which sealed an earlier pack, is not in this one"},
		{"earlier pack listed twice", func(t *testing.T, u *unpacked) {
			edit(t, u, memberPacks, func(p *packs) { *p = append(*p, (*p)[0]) })
		}, "is out of order"},
		{"unknown name", func(_ *testing.T, u *unpacked) { u.members[memberConsistency] = []byte(`[{"sise":1}]`) }, "unknown field"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u := unpack(t)
			tc.change(t, u)
			if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func manifestOf(t *testing.T, u *unpacked) *Manifest {
	t.Helper()
	m, err := openManifest(u.members[memberManifest], nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMakerCannotInventReceipts(t *testing.T) {
	type receipts = []listed
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, u *unpacked)
		want   string
	}{
		{"token of another checkpoint", func(_ *testing.T, u *unpacked) {
			u.members[rcptStamp+".tst"] = u.members[rcptStart+".tst"]
		}, "receipt 2 (clock): time-stamp token: it is for other bytes"},
		{"token changed", func(_ *testing.T, u *unpacked) {
			b := bytes.Clone(u.members[rcptStamp+".tst"])
			b[len(b)-1] ^= 1
			u.members[rcptStamp+".tst"] = b
		}, "receipt 2 (clock): time-stamp token: the signature is not good"},
		{"token of bytes at random", func(_ *testing.T, u *unpacked) { u.members[rcptStamp+".tst"] = []byte("granted") }, "time-stamp token: not DER"},
		{"token empty", func(_ *testing.T, u *unpacked) { u.members[rcptStamp+".tst"] = nil }, "time-stamp token: not DER"},
		{"checkpoint of another size", func(_ *testing.T, u *unpacked) {
			u.members[rcptPlace+".checkpoint"] = u.members[rcptStart+".checkpoint"]
		}, "receipt 4 (repository): its checkpoint is of another log or size"},
		{"checkpoint that only somebody else signed", func(t *testing.T, u *unpacked) {
			s, _ := attacker(t)
			m := manifestOf(t, u)
			b, err := chain.Checkpoint{Origin: m.Origin, Size: m.Closing.Size, Root: m.Closing.Root}.Sign(s)
			if err != nil {
				t.Fatal(err)
			}
			u.members[rcptPlace+".checkpoint"] = b
		}, "receipt 4 (repository): checkpoint signature"},
		{"cosignatures taken off", func(_ *testing.T, u *unpacked) {
			u.members[rcptCosigned+".checkpoint"] = u.members[rcptStamp+".checkpoint"]
		}, "receipt 3 (witnesses): no witness signed the checkpoint"},
		{"member too large", func(_ *testing.T, u *unpacked) {
			u.members[rcptPlace+".checkpoint"] = bytes.Repeat([]byte("x"), maxReceipt+1)
		}, "member anchors/004.checkpoint is too large"},
		{"proof too large", func(_ *testing.T, u *unpacked) {
			u.members[rcptProof+".tlog-proof"] = bytes.Repeat([]byte("x"), maxReceipt+1)
		}, "member anchors/005.tlog-proof is too large"},
		{"proof of another record", func(t *testing.T, u *unpacked) {
			b := u.members[rcptProof+".tlog-proof"]
			last := fmt.Sprintf("index %d\n", manifestOf(t, u).Closing.Size-1)
			u.members[rcptProof+".tlog-proof"] = bytes.Replace(b, []byte(last), []byte("index 1\n"), 1)
		}, "receipt 5 (last record): it is of record 1, which is not in the range"},
		{"proof of the record before", func(t *testing.T, u *unpacked) {
			n := manifestOf(t, u).Closing.Size
			b := u.members[rcptProof+".tlog-proof"]
			u.members[rcptProof+".tlog-proof"] = bytes.Replace(b, fmt.Appendf(nil, "index %d\n", n-1), fmt.Appendf(nil, "index %d\n", n-2), 1)
		}, "receipt 5 (last record): record "},
		{"receipt not listed", func(t *testing.T, u *unpacked) {
			edit(t, u, memberAnchors, func(l *receipts) { *l = (*l)[:4] })
		}, "member anchors/005.tlog-proof is no receipt that anchors.json names"},
		{"members of another receipt", func(t *testing.T, u *unpacked) {
			edit(t, u, memberAnchors, func(l *receipts) { (*l)[3].Members = (*l)[2].Members })
		}, "anchors.json: receipt 4 names other members"},
		{"size raised", func(t *testing.T, u *unpacked) {
			edit(t, u, memberAnchors, func(l *receipts) { (*l)[0].Size = manifestOf(t, u).Closing.Size })
		}, "receipt 1 (clock): its checkpoint is of another log or size"},
		{"root of another tree", func(t *testing.T, u *unpacked) {
			edit(t, u, memberAnchors, func(l *receipts) { (*l)[0].Root = (*l)[1].Root })
		}, "receipt 1 (clock): its checkpoint is of another log or size"},
		{"no proof from the receipt's checkpoint", func(t *testing.T, u *unpacked) {
			n := manifestOf(t, u).Closing.Size
			edit(t, u, memberConsistency, func(a *[]ancestor) {
				*a = slices.DeleteFunc(*a, func(x ancestor) bool { return x.Size == n })
			})
		}, "no proof from its checkpoint of size"},
		{"rung of a place raised", func(t *testing.T, u *unpacked) {
			edit(t, u, memberAnchors, func(l *receipts) { (*l)[3].Rung = 4 })
		}, `receipt "repository" of kind "elsewhere" and rung 4`},
		{"rung of a token raised", func(t *testing.T, u *unpacked) {
			edit(t, u, memberAnchors, func(l *receipts) { (*l)[1].Rung = 5 })
		}, `receipt "clock" of kind "time-stamp" and rung 5`},
		{"unknown kind", func(t *testing.T, u *unpacked) {
			edit(t, u, memberAnchors, func(l *receipts) { (*l)[1].Kind = "notary" })
		}, `kind "notary"`},
		{"token called a cosignature", func(t *testing.T, u *unpacked) {
			edit(t, u, memberAnchors, func(l *receipts) {
				(*l)[1].Kind, (*l)[1].Rung, (*l)[1].Members = Cosigned, 5, (*l)[1].Members[:1]
			})
		}, "receipt 2 (clock): no witness signed the checkpoint"},
		{"claim without witnesses", func(t *testing.T, u *unpacked) {
			edit(t, u, memberAnchors, func(l *receipts) { *l = (*l)[:2] })
			for _, n := range []string{rcptCosigned + ".checkpoint", rcptPlace + ".checkpoint", rcptProof + ".tlog-proof"} {
				u.remove(n)
			}
		}, "the manifest claims anchor rung 5, but nothing in the pack shows more than rung 4"},
		{"claim without anything", func(t *testing.T, u *unpacked) {
			u.members[memberAnchors] = []byte("[]\n")
			for _, n := range slices.Clone(u.order) {
				if strings.HasPrefix(n, anchorsFolder) {
					u.remove(n)
				}
			}
		}, "the manifest claims anchor rung 5, but nothing in the pack shows more than rung 1"},
		{"claim by an older checkpoint's token", func(t *testing.T, u *unpacked) {
			edit(t, u, memberAnchors, func(l *receipts) { *l = (*l)[:1] })
			for _, n := range slices.Clone(u.order) {
				if strings.HasPrefix(n, anchorsFolder) && !strings.HasPrefix(n, rcptStart) {
					u.remove(n)
				}
			}
		}, "the manifest claims anchor rung 5, but nothing in the pack shows more than rung 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u := unpack(t)
			tc.change(t, u)
			if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

// A signature in the name of a known witness that is not good is no missing
// cosignature: somebody tried.
func TestForgedCosignature(t *testing.T) {
	u, o := unpack(t), sampleOptions(t)
	name := rcptCosigned + ".checkpoint"
	n, err := note.Open(u.members[name], note.VerifierList(o.Policy.Witnesses.Witnesses[0]))
	if err != nil {
		t.Fatal(err)
	}
	good := n.Sigs[0].Base64
	forged := o
	line := good[:30] + "AAAA" + good[34:]
	u.members[name] = bytes.Replace(u.members[name], []byte(good), []byte(line), 1)
	forged.Trust = nil
	if err := checkAs(t, u, forged, nil); err == nil || !strings.Contains(err.Error(), "receipt 3 (witnesses): cosignatures: ") {
		t.Errorf("got %v", err)
	}
	// Two keys of one operator are one operator.
	for i, w := range o.Policy.Witnesses.Witnesses {
		same, err := witness.ParseWitness("one operator", w.Key())
		if err != nil {
			t.Fatal(err)
		}
		o.Policy.Witnesses.Witnesses[i] = same
	}
	o.Policy.Witnesses.Quorum, o.Policy.MinRung = 1, 0
	b, err := os.ReadFile(samplePack)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := Verify(bytes.NewReader(b), int64(len(b)), o)
	if err != nil || rep.Anchor.Rung != rungWitnessed {
		t.Errorf("with one operator of quorum 1: %v, %+v", err, rep)
	}
	o.Policy.Witnesses.Quorum = 2
	if rep, err = Verify(bytes.NewReader(b), int64(len(b)), o); err != nil || rep.Anchor.Rung != rungStamped {
		t.Errorf("with one operator of quorum 2: %v, %+v", err, rep)
	}
}

// A range that closes before the period's end must say interim.
func TestFinalBeforeTheEndIsRefused(t *testing.T) {
	late := func(interim bool) func(*Manifest) {
		return func(m *Manifest) { m.Period.To, m.Interim = m.Period.To.AddDate(10, 0, 0), interim }
	}
	if err := checkAs(t, unpack(t), Options{}, late(false)); err == nil || !strings.Contains(err.Error(), "the pack claims to be final, but its newest record is of ") {
		t.Errorf("not said to be interim: %v", err)
	}
	// Said so, it is the counts of the longer period that are wrong next.
	if err := checkAs(t, unpack(t), Options{}, late(true)); err == nil || strings.Contains(err.Error(), "claims to be final") {
		t.Errorf("said to be interim: %v", err)
	}
}

func TestParsePolicy(t *testing.T) {
	_, key, err := witness.GenerateKey("w.example")
	if err != nil {
		t.Fatal(err)
	}
	_, logKey := attacker(t)
	for _, tc := range []struct{ name, in, want string }{
		{"empty object", `{}`, ""},
		{"all", `{"min_rung":5,"witnesses":[{"operator":"one","key":"` + key + `"}],"quorum":1,"tsa_policies":["2.999.1","1.3.6.1.4.1.57264.2"]}`, ""},
		{"rung alone", `{"min_rung":3}`, ""},
		{"unknown name", `{"min-rung":1}`, "unknown field"},
		{"two values", `{}{}`, "policy: bytes after its end"},
		{"nothing", ``, "policy: EOF"},
		{"rung above the ladder", `{"min_rung":6}`, "policy: min_rung 6, want 0 to 5"},
		{"rung below", `{"min_rung":-1}`, "policy: min_rung -1, want 0 to 5"},
		{"witnesses without quorum", `{"witnesses":[{"operator":"one","key":"` + key + `"}]}`, "policy: witnesses without quorum"},
		{"quorum without witnesses", `{"quorum":1}`, "quorum of 1 with 0 operators"},
		{"quorum zero", `{"quorum":0,"witnesses":[{"operator":"one","key":"` + key + `"}]}`, "quorum of 0"},
		{"a log's key", `{"quorum":1,"witnesses":[{"operator":"one","key":"` + logKey + `"}]}`, "policy: witnesses[0]: witness key of attacker: this is a log's key"},
		{"no operator", `{"quorum":1,"witnesses":[{"key":"` + key + `"}]}`, "policy: witnesses[0]:"},
		{"key twice", `{"quorum":1,"witnesses":[{"operator":"one","key":"` + key + `"},{"operator":"two","key":"` + key + `"}]}`, "same key"},
		{"policy that is no identifier", `{"tsa_policies":["1.2.x"]}`, `policy: tsa_policies[0]: "1.2.x" is not an object identifier`},
		{"policy of one number", `{"tsa_policies":["1"]}`, `"1" is not an object identifier`},
		{"policy with a leading zero", `{"tsa_policies":["1.02.3"]}`, `"1.02.3" is not an object identifier`},
		{"policy outside the tree", `{"tsa_policies":["1.40.3"]}`, `"1.40.3" is not an object identifier`},
		{"too large", `{"min_rung":0` + strings.Repeat(" ", maxPolicy) + `}`, "at most 1048576"},
	} {
		p, err := ParsePolicy([]byte(tc.in))
		if tc.want == "" {
			if err != nil || p == nil {
				t.Errorf("%s: %v", tc.name, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", tc.name, err, tc.want)
		}
	}
}

func FuzzParsePolicy(f *testing.F) {
	b, err := os.ReadFile("../../testdata/vectors/pack.policy")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"min_rung":4,"tsa_policies":["2.999.1"]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePolicy(b)
		if (err == nil) != (p != nil) {
			t.Errorf("policy %v with %v", p, err)
		}
		if p != nil && (p.MinRung < 0 || p.MinRung > rungWitnessed || p.Witnesses.Quorum > len(p.Witnesses.Witnesses)) {
			t.Errorf("policy %+v", p)
		}
	})
}

// Two verified packs are put side by side by hand, to differ in one thing each.
func TestExtendsAsksForEach(t *testing.T) {
	b, err := os.ReadFile(samplePack)
	if err != nil {
		t.Fatal(err)
	}
	two := func() (v, old *verifier) {
		for _, p := range []**verifier{&v, &old} {
			if *p, err = open(bytes.NewReader(b), int64(len(b)), Options{}); err != nil {
				t.Fatal(err)
			}
			if err = (*p).verify(); err != nil {
				t.Fatal(err)
			}
		}
		return v, old
	}
	for _, tc := range []struct {
		name   string
		change func(v, old *verifier)
		want   string
	}{
		{"another log key", func(_, old *verifier) { old.m.LogKey = "other" }, "the log was signed by another key when the earlier pack was made, and nothing in the log passes it on"},
		{"neither proof nor records", func(v, old *verifier) { delete(v.proved, old.closing.Size) }, "nothing in the pack shows that its log extends the earlier pack's: there is no consistency proof from size "},
		{"record of issue not shown", func(_, old *verifier) { old.index = 2 }, "nothing in the pack shows record 2, which sealed the earlier pack"},
		{"record of issue another", func(v, old *verifier) { old.index = 2; v.want[2] = evidence.Hash{9} }, "two histories: record 2, which sealed the earlier pack, is another one here; the log was taken back behind it"},
		{"one size, two roots", func(_, old *verifier) { old.closing.Root[0] ^= 1 }, "two histories: at size "},
		{"a log that names its predecessor", func(v, old *verifier) {
			old.closing.Origin = "a/b"
			v.genesis.Predecessor = &logEnd{Origin: "a/b", Size: old.closing.Size - 2}
		}, "which it names as its predecessor, ended at size "},
	} {
		v, old := two()
		tc.change(v, old)
		if e, err := v.extends(old); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %+v, %v, want an error with %q", tc.name, e, err, tc.want)
		}
	}
	v, old := two()
	if e, err := v.extends(old); err != nil || e.Sealed || e.How != "consistency proof" {
		t.Errorf("unchanged: %+v, %v", e, err)
	}
}

// The command that VERIFY.txt gives for time-stamps works on a pack's members,
// with nothing of ours.
func TestStampsByHand(t *testing.T) {
	u, dir := unpack(t), t.TempDir()
	roots, err := os.ReadFile("../../testdata/vectors/pack.tsa-roots.pem")
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"NNN.tst": u.members[rcptStamp+".tst"], "NNN.checkpoint": u.members[rcptStamp+".checkpoint"]} {
		if err := os.MkdirAll(filepath.Join(dir, "anchors"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "anchors", name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "roots.pem"), roots, 0o600); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(u.members[memberHowTo]), "       openssl ")
	command, _, ok := strings.Cut(rest, "\n   Cosignatures")
	if !ok {
		t.Fatalf("no command in\n%s", u.members[memberHowTo])
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "openssl "+command)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("Verification: OK")) {
		t.Errorf("openssl %s: %v\n%s", command, err, out)
	}
}

func FuzzParseHistory(f *testing.F) {
	u := unpack(f)
	closing := chain.Checkpoint{Origin: "a/b", Size: 46}
	f.Add(u.members[memberConsistency])
	f.Add([]byte("[]"))
	f.Add([]byte(`[{"size":46,"root":"` + closing.Root.String() + `","proof":[]}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parseHistory(b, closing)
		for i, a := range list {
			if err != nil || a.Size == 0 || a.Size > closing.Size || i > 0 && a.Size <= list[i-1].Size {
				t.Errorf("size %d at %d, %v", a.Size, i, err)
			}
		}
	})
}

func FuzzParseReceipts(f *testing.F) {
	f.Add(unpack(f).members[memberAnchors])
	f.Add([]byte(`[{"kind":"elsewhere","name":"x","rung":2,"size":1,"root":"` + evidence.Hash{}.String() + `","members":["anchors/001.checkpoint"]}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parseReceipts(b)
		for _, l := range list {
			if err != nil || l.Rung < rungReceipt || l.Rung > rungWitnessed || len(l.Members) == 0 {
				t.Errorf("receipt %+v, %v", l, err)
			}
		}
	})
}

// A maker can sign a checkpoint with a root of zeros and have it stamped long
// before the log has that size. It is no tree of the log, and must not stand in
// for one whose proof was left away.
func TestReceiptOfNoTree(t *testing.T) {
	u := unpack(t)
	m := manifestOf(t, u)
	logSigner, logKey := attacker(t)
	var err error
	early := chain.Checkpoint{Origin: m.Origin, Size: m.Closing.Size}
	if u.members["anchors/001.checkpoint"], err = early.Sign(logSigner); err != nil {
		t.Fatal(err)
	}
	for _, n := range slices.Clone(u.order) {
		if strings.HasPrefix(n, "anchors/") && n != "anchors/001.checkpoint" {
			u.remove(n)
		}
	}
	if u.members[memberAnchors], err = json.Marshal([]listed{{
		Kind: Elsewhere, Name: "place", Rung: rungElsewhere, Size: early.Size, Root: early.Root, Members: []string{"anchors/001.checkpoint"},
	}}); err != nil {
		t.Fatal(err)
	}
	edit(t, u, memberConsistency, func(a *[]ancestor) {
		*a = slices.DeleteFunc(*a, func(x ancestor) bool { return x.Size == early.Size })
	})
	signer, packKey := attacker(t)
	b := u.pack(t, signer, func(m *Manifest) { m.PackKey, m.Anchor = packKey, sealedInLog })
	v, err := open(bytes.NewReader(b), int64(len(b)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{v.manifest, v.digests, v.checkpoints, v.history} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if v.keys, err = chain.NewLogKeys(logKey); err != nil { // as if the maker's own key had signed it
		t.Fatal(err)
	}
	if err := v.receipts(); err == nil || !strings.Contains(err.Error(), "no proof from its checkpoint") {
		t.Errorf("got %v, want it refused", err)
	}
}
