package pack

import "evidenced/evidence"

// Report is what a verification found. Each field answers one question.
type Report struct {
	Tenant    evidence.Tenant `json:"tenant"`
	Origin    string          `json:"origin"`
	Simulated bool            `json:"simulated"`
	Period    evidence.Period `json:"period"`
	First     uint64          `json:"first"` // seq
	Last      uint64          `json:"last"`
	Records   uint64          `json:"records"`
	Complete  bool            `json:"complete"`
	Interim   bool            `json:"interim"`
	Maker     string          `json:"maker"` // what the trust file says of the maker
	Known     bool            `json:"maker_known"`
	LogKey    string          `json:"log_key"`
	PackKey   string          `json:"pack_key"`
	Anchor    Anchor          `json:"anchor"`   // the rung that was verified here
	Claimed   int             `json:"claimed"`  // the rung that the maker says
	Receipts  []Vouched       `json:"receipts"` // of somebody outside
	Bracket   Bracket         `json:"bracket"`
	Ahead     *Ahead          `json:"ahead,omitempty"` // the record that is furthest ahead of its receipts
	Extends   *Extension      `json:"extends,omitempty"`
	Disclosed int             `json:"disclosed"` // claims checked against their commitment
	Withheld  map[string]int  `json:"withheld"`
	Erased    int             `json:"erased"`
	Counts    map[string]int  `json:"counts"`   // records in the period, recounted
	Findings  map[string]int  `json:"findings"` // by status, recounted
	Rules     RulesInForce    `json:"rules"`
	Judged    JudgedCount     `json:"judged"` // of the rules in force, a finding for each pair
	Waived    *WaivedCount    `json:"waived,omitempty"`
	Remedies  *RemedyCount    `json:"remedies,omitempty"`
	Loosened  []Loosened      `json:"loosened,omitempty"` // in the range, by its own records
	Differs   []Differs       `json:"differs,omitempty"`  // from what the log recorded of its findings
	Incidents []IncidentSeen  `json:"incidents,omitempty"`
	Cited     int             `json:"cited"`   // records cited in findings, all present
	Sampled   int             `json:"sampled"` // items in the samples of findings, all drawn again
	// SampleSeed says what their seed is worth; Sample is the one asked for.
	SampleSeed string        `json:"sample_seed,omitempty"`
	Sample     *DrawnSample  `json:"sample,omitempty"`
	Issued     uint64        `json:"issued"`
	Number     uint64        `json:"number"`            // of the packs of the log, as the records that sealed them count
	Unshown    uint64        `json:"unshown,omitempty"` // of the first of them, no record is in the pack
	Between    uint64        `json:"between"`           // records between the range and the issue, which the pack does not hold
	Data       evidence.Hash `json:"data"`
	PDF        bool          `json:"pdf"` // a document for people is there; nobody checks what it says
}
