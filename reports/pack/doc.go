// Package pack writes and verifies evidence packs: one zip that an auditor can
// check without the company that made it. It links no store, no client library
// and no PDF writer; docs/formats/pack.md is its specification.
//
// # Members
//
//	manifest            signed note by the pack key; names every other member
//	checkpoint-start    signed note by the log key; absent when the range begins at 0
//	checkpoint          the closing checkpoint
//	frontier.json       hashes of the tree before the range
//	genesis.json        leaf 0, its opened content and its inclusion proof
//	leaves.jsonl        every leaf of the range, as hashed, a line each
//	claims.jsonl        disclosed claims of the range: plaintext and salt
//	earlier.jsonl       leaves before the range that are needed, with proofs
//	findings.json       verdicts; rules.json the rules; coverage.json what was seen
//	catalog.json        every pair of control and test of the catalog in force
//	judged.json         which of them were judged, and why others were not
//	registers/KIND.csv  every record of a kind that occurred in the period
//	packs.json          earlier packs of overlapping scope
//	loosened.json       changes in the range that weakened the evidence
//	consistency.json    trees that the closing one extends, with proofs: that of
//	                    the range's begin and those of all earlier packs
//	anchors.json        receipts of others for checkpoints; anchors/NNN.* they are
//	report.pdf          for people
//	VERIFY.txt          how to verify by hand
//	issued.tlog-proof   not in the manifest: that its hash is sealed in the log
//
// A complete pack holds every leaf from the last checkpoint at or before the
// period to the closing checkpoint. Claims may be withheld; leaves may not.
package pack

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/claim"
	"evidenced/evidence/sample"
)

// Header is the first line of a manifest.
const Header = "evidenced-pack/v1"

// Names of the fixed members.
const (
	memberManifest    = "manifest"
	memberStart       = "checkpoint-start"
	memberClosing     = "checkpoint"
	memberFrontier    = "frontier.json"
	memberGenesis     = "genesis.json"
	memberLeaves      = "leaves.jsonl"
	memberClaims      = "claims.jsonl"
	memberEarlier     = "earlier.jsonl"
	memberFindings    = "findings.json"
	memberRules       = "rules.json"
	memberCatalog     = "catalog.json"
	memberJudged      = "judged.json"
	memberCoverage    = "coverage.json"
	memberPacks       = "packs.json"
	memberLoosened    = "loosened.json"
	memberConsistency = "consistency.json"
	memberAnchors     = "anchors.json"
	memberPDF         = "report.pdf"
	memberHowTo       = "VERIFY.txt"
	memberIssued      = "issued.tlog-proof"
	registersFolder   = "registers/"
)

// Manifest names what a pack is and everything in it.
type Manifest struct {
	Tenant    evidence.Tenant `json:"tenant"`
	Origin    string          `json:"origin"`
	Simulated bool            `json:"simulated"`
	Number    uint64          `json:"number"` // of the packs of the log, counted from 1
	Period    evidence.Period `json:"period"`
	Start     Tree            `json:"start"`   // before the range
	Closing   Tree            `json:"closing"` // after it
	Complete  bool            `json:"complete"`
	Interim   bool            `json:"interim"`
	Purpose   string          `json:"purpose,omitempty"`
	Recipient string          `json:"recipient,omitempty"`
	Made      time.Time       `json:"made"`
	Program   string          `json:"program"`
	LogKey    string          `json:"log_key"` // note verifier keys, as the genesis names them
	PackKey   string          `json:"pack_key"`
	Anchor    Anchor          `json:"anchor"`
	Withheld  map[string]int  `json:"withheld"` // claims of the range not disclosed, by name
	Erased    int             `json:"erased"`
	Records   uint64          `json:"records"`
	Counts    map[string]int  `json:"counts"` // records that occurred in the period, by kind
	Rules     evidence.Hash   `json:"rules"`
	Config    string          `json:"config"`
	Data      evidence.Hash   `json:"data"` // digest over the members but report.pdf
	Members   []Member        `json:"members"`
}

// Tree is the size and root of a log.
type Tree struct {
	Size uint64        `json:"size"`
	Root evidence.Hash `json:"root"`
}

// Anchor says which rung of the ladder the closing checkpoint reaches, and
// what that leaves open.
type Anchor struct {
	Rung int    `json:"rung"`
	What string `json:"what"`
	Open string `json:"open"`
}

// Member is one file of the pack. The hash of its packed bytes stands beside
// that of its content, because one content can be compressed in many ways.
type Member struct {
	Name         string        `json:"name"`
	Size         uint64        `json:"size"`
	SHA256       evidence.Hash `json:"sha256"`
	Packed       uint64        `json:"packed"`
	PackedSHA256 evidence.Hash `json:"packed_sha256"`
}

// Text returns the note text of the manifest.
func (m *Manifest) Text() (string, error) {
	b, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return "", err
	}
	return Header + "\n" + string(b) + "\n", nil
}

// openManifest reads a signed manifest. The signature is checked with the key
// when one is given, else with the key the manifest names, which shows only
// that manifest and key belong together.
func openManifest(signed []byte, key note.Verifier) (*Manifest, error) {
	text, _, ok := strings.Cut(string(signed), "\n\n")
	if !ok || !strings.HasPrefix(text, Header+"\n") {
		return nil, fmt.Errorf("manifest: want a signed note that begins with %s", Header)
	}
	if _, err := checkNames([]byte(text[len(Header)+1:]), true, fewElements); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	var m Manifest
	dec := json.NewDecoder(strings.NewReader(text[len(Header)+1:]))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if err := inUTC(&m); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if key == nil {
		v, err := chain.ParseKey(m.PackKey)
		if err != nil {
			return nil, fmt.Errorf("manifest: pack key: %w", err)
		}
		key = v
	}
	n, err := openNote(signed, key)
	if err != nil {
		return nil, fmt.Errorf("manifest: signature: %w", err)
	}
	if again, err := m.Text(); err != nil || again != n {
		return nil, fmt.Errorf("manifest: not in canonical form")
	}
	return &m, nil
}

// openNote verifies a note that carries exactly one signature, by the key, in
// canonical base64: the library would let unused bits of the last character
// and further signatures by unknown keys pass.
func openNote(signed []byte, key note.Verifier) (string, error) {
	n, err := note.Open(signed, note.VerifierList(key))
	if err != nil {
		return "", err
	}
	if len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 {
		return "", fmt.Errorf("want exactly one signature, by %s", key.Name())
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64)
	if err != nil {
		return "", fmt.Errorf("signature is not canonical base64")
	}
	if want := n.Text + "\n— " + key.Name() + " " + base64.StdEncoding.EncodeToString(raw) + "\n"; want != string(signed) {
		return "", fmt.Errorf("note is not in canonical form")
	}
	return n.Text, nil
}

// openCheckpoint verifies a checkpoint by the log's own key alone.
func openCheckpoint(signed []byte, key note.Verifier) (chain.Checkpoint, error) {
	text, err := openNote(signed, key)
	if err != nil {
		return chain.Checkpoint{}, err
	}
	return chain.ParseCheckpoint(text)
}

// disclosed is one line of claims.jsonl.
type disclosed struct {
	Seq   uint64 `json:"seq"`
	Name  string `json:"name"`
	Salt  []byte `json:"salt"`
	Plain []byte `json:"plain"`
}

func (d disclosed) opening() (claim.Opening, error) {
	var o claim.Opening
	if len(d.Salt) != claim.SaltSize {
		return o, fmt.Errorf("record %d: claim %s: salt of %d bytes", d.Seq, d.Name, len(d.Salt))
	}
	copy(o.Salt[:], d.Salt)
	o.Plain = d.Plain
	return o, nil
}

// single is a leaf that stands alone, with what proves it: genesis.json and
// the lines of earlier.jsonl.
type single struct {
	Leaf   string          `json:"leaf"`
	Proof  []evidence.Hash `json:"proof"`
	Claims []disclosed     `json:"claims"`
}

// issued is the extra data of issued.tlog-proof.
type issued struct {
	Leaf        string          `json:"leaf"`
	Claim       disclosed       `json:"claim"`
	Consistency []evidence.Hash `json:"consistency"` // from the closing size to this checkpoint
}

// Finding is what findings.json holds of each verdict: the finding, and all of
// its items, passed too.
type Finding struct {
	evidence.Finding
	Items []evidence.Item `json:"items"`
	// Sample is drawn of a population that is not empty.
	Sample *sample.Sample `json:"sample,omitempty"`
	// Waived is what people accepted of what failed; nil when nothing.
	Waived *Waived `json:"waived,omitempty"`
	// Remedies are what is planned for what failed, by their records.
	Remedies []Remedy `json:"remedies,omitempty"`
}

// Earlier is one line of packs.json.
type Earlier struct {
	Seq   uint64             `json:"seq"` // of its pack.issued record
	Facts evidence.PackFacts `json:"facts"`
}
