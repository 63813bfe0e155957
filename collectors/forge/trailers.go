package forge

import (
	"regexp"
	"strings"

	"evidenced/evidence"
)

// RoleMentioned is a person named in a trailer of a message. It proves nothing;
// with it the text can be made unreadable when the person is erased.
const RoleMentioned evidence.Role = "mentioned"

// Trailer is a line of a message such as "Reviewed-by: Name <mail>": anybody can
// write one.
type Trailer struct {
	CoAuthor   bool // Co-authored-by: took part in the change
	Name, Mail string
}

var trailer = regexp.MustCompile(`(?mi)^([A-Za-z][A-Za-z-]*-by):[ \t]*([^\r\n<]*)<([^>\r\n]+)>[ \t]*\r?$`)

// maxTrailers bounds what is read of one message: more people than a draft holds.
const maxTrailers = 4 * evidence.MaxPeople

// Trailers finds the people whom the trailers of a message name.
// See https://git-scm.com/docs/git-interpret-trailers
func Trailers(message string) []Trailer {
	if !strings.Contains(message, "<") {
		return nil
	}
	var ts []Trailer
	for _, m := range trailer.FindAllStringSubmatch(message, maxTrailers) {
		ts = append(ts, Trailer{strings.EqualFold(m[1], "co-authored-by"), strings.TrimSpace(m[2]), strings.TrimSpace(m[3])})
	}
	return ts
}

// Trailed adds whom the trailers of a message name: co-authors in the given role,
// all others as mentioned. It returns the indices of the co-authors.
func (p *People) Trailed(role evidence.Role, message string) (coauthors []int) {
	for _, t := range Trailers(message) {
		if t.CoAuthor {
			coauthors = AddIndex(coauthors, p.Claimed(role, t.Name, t.Mail))
		} else {
			p.Claimed(RoleMentioned, t.Name, t.Mail)
		}
	}
	return coauthors
}
