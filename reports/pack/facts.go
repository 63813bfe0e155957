package pack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"evidenced/evidence"
)

// The facts of records, as far as a verdict stands on them. What else a record says
// is its maker's, and says nothing to a verifier: were it decoded too, another
// verifier that does not know it would take packs that this one refuses.

type genesisFacts struct {
	Origin      string          `json:"origin"`
	Tenant      evidence.Tenant `json:"tenant"`
	LogKey      string          `json:"log_key"`
	PackKey     string          `json:"pack_key"`
	Clock       string          `json:"clock"`
	Predecessor *logEnd         `json:"predecessor"`
}

type logEnd struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
}

type keyFacts struct {
	Old         string `json:"old"`
	New         string `json:"new"`
	Compromised bool   `json:"compromised"`
}

type personFacts struct {
	NativeID string         `json:"native_id"`
	Names    evidence.Names `json:"names"`
}

type approval struct {
	Maker    int `json:"maker"`
	Approver int `json:"approver"`
}

type scopeFacts struct {
	Control  evidence.ControlID `json:"control"`
	From     time.Time          `json:"from"`
	Until    time.Time          `json:"until"`
	Approval approval           `json:"approval"`
}

type remedyFacts struct {
	For []struct {
		Test    string   `json:"test"`
		Records []uint64 `json:"records"`
	} `json:"for"`
	Cause    string    `json:"cause"`
	Due      string    `json:"due"`
	FirstDue string    `json:"first_due"`
	Late     time.Time `json:"late_from"`
	Done     bool      `json:"said_done"`
}

type linkFacts struct {
	A int `json:"a"`
	B int `json:"b"`
}

type erasureFacts struct {
	Keys []string `json:"keys"`
}

type segmentFacts struct {
	Act    evidence.SegmentAct `json:"act"`
	Newest time.Time           `json:"newest"`
}

type coverageFacts struct {
	Source evidence.SourceID       `json:"source"`
	Period evidence.Period         `json:"period"`
	Spans  []evidence.CoverageSpan `json:"spans"`
	Runs   evidence.RunCounts      `json:"runs"`
}

type noticeFacts struct {
	Stage string    `json:"stage"`
	Act   string    `json:"act"`
	At    time.Time `json:"at"`
}

type closedFacts struct {
	Reopen bool `json:"reopen"`
}

// loosening is what platform.config and platform.catalog records have in common.
type loosening struct {
	By        string   `json:"by"`
	Loosens   []string `json:"loosens"`
	Rewritten []string `json:"rewritten"`
}

type catalogFacts struct {
	loosening
	Catalog  evidence.Hash     `json:"catalog"`
	Before   evidence.Hash     `json:"before"`
	Table    evidence.Hash     `json:"table"`
	Tenancy  *evidence.Tenancy `json:"tenancy"`
	Entities []string          `json:"entities"`
}

// read decodes the facts of a content.
func (c *content) read(into any) error {
	if facts := bytes.TrimSpace(c.Facts); len(facts) == 0 || string(facts) == "null" {
		return fmt.Errorf("no facts")
	}
	if err := json.Unmarshal(c.Facts, into); err != nil {
		return err
	}
	return inYears(into)
}
