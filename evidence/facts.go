package evidence

import (
	"bytes"
	"encoding/json"
)

// The facts of each kind: the JSON that stands in a draft's Content and in a
// record's Facts. Facts never hold a person's name, login or mail address;
// where a fact belongs to a person it holds the index of that person in the
// draft's People (the record's People has the same order). -1 means that the
// source named nobody.
//
// Optional facts are omitted when the source does not say; a pointer tells
// "no" from "not said". Times are RFC 3339 in UTC.

// EncodeFacts writes facts as JSON, without the escapes for HTML that encoding/json
// writes otherwise: they make names and paths up to six times as long. An error is
// about what JSON cannot hold, such as a year beyond 9999.
func EncodeFacts(facts any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(facts); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Others counts what was left out of the lists of facts for being other
// tenants' alone, by the place of the list: its JSON pointer without the first
// slash and without numbers ("policies", "groups/policies"). It stands in the
// facts of any kind, under OthersMember.
type Others map[string]int

// OthersMember is the member of facts that holds Others.
const OthersMember = "others"

// PersonFacts are the facts of person. The record's subject is person:/TOKEN.
type PersonFacts struct {
	Realm    string `json:"realm"`
	NativeID string `json:"native_id"`
	Names    Names  `json:"names"`
}

// ConfigFacts are the facts of platform.config.
type ConfigFacts struct {
	SHA256 string   `json:"sha256"` // of the effective configuration, secrets left out
	Before string   `json:"before,omitempty"`
	Diff   []string `json:"diff,omitempty"`    // lines removed (-) and added (+)
	Loosen []string `json:"loosens,omitempty"` // what of the change loosens the evidence
	By     string   `json:"by"`                // user id of the process that loaded it
	Config string   `json:"config,omitempty"`
}

// AdminFacts are the facts of platform.admin.
type AdminFacts struct {
	Act    string            `json:"act"`
	Detail map[string]string `json:"detail,omitempty"`
}

// ReadFacts are the facts of access.read: an answer was given to somebody.
type ReadFacts struct {
	Command string `json:"command"`
	Period  Period `json:"period,omitzero"`
	Via     string `json:"via"`  // socket or direct
	UID     int    `json:"uid"`  // user id of the asking process
	Size    uint64 `json:"size"` // log size answered from
	Purpose string `json:"purpose,omitempty"`
}
