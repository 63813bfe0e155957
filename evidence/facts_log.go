package evidence

import "time"

// Facts of the log about itself: its keys, checkpoints, recoveries and packs. See facts.go for the rules.

// GenesisFacts are the facts of log.genesis.
type GenesisFacts struct {
	Format      int       `json:"format"`
	Origin      string    `json:"origin"`
	Tenant      Tenant    `json:"tenant"`
	Created     time.Time `json:"created"`
	LogKey      string    `json:"log_key"`  // note verifier key
	PackKey     string    `json:"pack_key"` // note verifier key
	Clock       string    `json:"clock"`    // real or simulated
	Predecessor *LogEnd   `json:"predecessor,omitempty"`
}

// LogEnd names the last checkpoint of a log that another one continues.
type LogEnd struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Root   Hash   `json:"root"`
	Why    string `json:"why"`
	// Lost is the newest checkpoint known of the log that its records no
	// longer reach, when that is why it ended.
	Lost *LogHead `json:"lost,omitempty"`
}

// KeyFacts are the facts of log.key: the log key changes. The new key signs
// every tree that holds this record; the first such checkpoint is signed by the
// old key too, unless that was compromised.
type KeyFacts struct {
	Old         string `json:"old"`  // note verifier keys
	New         string `json:"new"`  // of the same name
	From        uint64 `json:"from"` // the new key signs no tree smaller than this
	Compromised bool   `json:"compromised,omitempty"`
	Reason      string `json:"reason"`
}

// RecoveredFacts are the facts of log.recovered: what an installation came back
// with after a crash or from a backup, and who let it go on.
type RecoveredFacts struct {
	Outcome   string     `json:"outcome"`            // whole, unsigned-tail-lost, continued
	Size      uint64     `json:"size"`               // records that were there
	Lost      uint64     `json:"lost,omitempty"`     // unsigned records known to be gone, at least
	Compared  []LogKnown `json:"compared,omitempty"` // checkpoints it was compared with
	Reason    string     `json:"reason,omitempty"`
	Authority string     `json:"authority,omitempty"`
}

// LogKnown is a checkpoint of a log and where it is known from.
type LogKnown struct {
	From string `json:"from"`
	Size uint64 `json:"size"`
	Root Hash   `json:"root"`
}

// PackFacts are the facts of pack.issued.
type PackFacts struct {
	Manifest  Hash      `json:"manifest"` // SHA-256 of the signed manifest
	Number    uint64    `json:"number"`   // of the packs of its log, counted from 1
	Period    Period    `json:"period"`
	Size      uint64    `json:"size"`
	Root      Hash      `json:"root"`
	Records   uint64    `json:"records"`
	Complete  bool      `json:"complete"`
	Interim   bool      `json:"interim"`
	Purpose   string    `json:"purpose,omitempty"`
	Recipient string    `json:"recipient,omitempty"`
	Disclosed []ID      `json:"disclosed,omitempty"` // person tokens
	Withheld  int       `json:"withheld"`            // claims
	Issued    time.Time `json:"issued"`
}

// CheckpointsFacts are the facts of log.checkpoints.
type CheckpointsFacts struct {
	Logs []LogHead `json:"logs"`
}

// DamageFacts are the facts of log.damage. They name records by number and kind,
// never what they hold.
type DamageFacts struct {
	Origin   string   `json:"origin"`
	Size     uint64   `json:"size"`
	Root     Hash     `json:"root"`    // as the log's head says
	Records  uint64   `json:"records"` // read
	Failures []string `json:"failures,omitempty"`
	More     int      `json:"more,omitempty"`    // failures not listed
	Missing  uint64   `json:"missing,omitempty"` // claims without key and without erasure record
}

// LogHead is a checkpoint of a log, by its origin.
type LogHead struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Root   Hash   `json:"root"`
}
