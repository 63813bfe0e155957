package notice

// Part is one part of what is written down of a breach, and the fields that hold
// it: one is enough.
type Part struct {
	Name   string
	Fields []string
}

// Breach are the parts that the GDPR asks a controller to write down of every
// breach of personal data (Art 33(5)): the register shows them, and the tests of
// controls ask for them.
var Breach = []Part{
	{"facts", []string{"narrative.summary", "narrative.description", "narrative.sequence", "narrative.cause"}},
	{"effects", []string{"data.consequences", "data.description"}},
	{"remedy", []string{"response.mitigation", "response.temporary_description", "response.permanent_actions", "narrative.resolution"}},
}
