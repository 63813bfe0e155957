package reports

import "time"

// FormDoc is a document of numbered fields, such as a notification to an
// authority. Everything in it is foreign text.
type FormDoc struct {
	Title     string
	Lead      string // a sentence below it
	Owner     string // in the header of each page
	Marks     []string
	Facts     [][2]string // name and value, above the fields
	Groups    []FormGroup
	Checks    []FormCheck
	Foot      string // on each page
	Program   string
	Generated time.Time
}

// FormGroup is fields that belong together.
type FormGroup struct {
	Title string
	Rows  []FormRow
}

// FormRow is one field. One without a value that is needed says why in Open.
type FormRow struct {
	Number, Name string
	Value        string
	Open         string
	Why          string // there is no value, and none is needed
	From         string // where the value comes from
}

// FormCheck is a remark on a field.
type FormCheck struct {
	Number string
	Bad    bool // an error, not a warning
	Says   string
}
