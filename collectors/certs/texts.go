package certs

import (
	"crypto/x509"
	"encoding/asn1"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"

	"evidenced/collectors"
)

// maxNested bounds how deep the parts of a certificate are looked into.
const maxNested = 32

// holdsCredential reports whether a credential stands in some text of a certificate.
// Nobody is known to put one there, and everybody may: a certificate of one's own
// says what one likes. In its base64 nothing else would find it.
func holdsCredential(c *x509.Certificate) bool { return anyText(c.Raw, 0, credentialIn) }

func credentialIn(s string) bool { return withoutCredentials(s) != s }

// withoutCredentials takes them out of a text, also where an address escapes what
// stands before one.
func withoutCredentials(s string) string {
	s = collectors.WithoutCredentials(s)
	if plain, err := url.PathUnescape(s); err == nil && collectors.WithoutCredentials(plain) != plain {
		return collectors.WithoutCredentials(plain)
	}
	return s
}

// anyText reports whether one of the texts below DER values is such.
func anyText(der []byte, depth int, is func(string) bool) bool {
	for len(der) > 0 && depth < maxNested {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(der, &v)
		if err != nil {
			return false // no DER: a text, or bytes that mean nothing here
		}
		der = rest
		if v.IsCompound {
			if anyText(v.Bytes, depth+1, is) {
				return true
			}
			continue
		}
		texts := []string{string(v.Bytes)}
		if wide := v.Class == asn1.ClassUniversal && v.Tag == asn1.TagBMPString; wide {
			texts = append(texts, fromWide(v.Bytes))
		}
		// Extensions stand in strings of octets, and bits of others may hold them too,
		// behind a byte of their own. Each is read from one place alone: whoever makes
		// a certificate could else have every level read twice as often as the one above.
		inner := v.Bytes
		if v.Class == asn1.ClassUniversal && v.Tag == asn1.TagBitString && len(inner) > 0 {
			inner = inner[1:]
		}
		if slices.ContainsFunc(texts, is) || anyText(inner, depth+1, is) {
			return true
		}
	}
	return false
}

// fromWide reads UTF-16, as a BMPString is written.
func fromWide(b []byte) string {
	var us []uint16
	for ; len(b) >= 2; b = b[2:] {
		us = append(us, uint16(b[0])<<8|uint16(b[1]))
	}
	return string(utf16.Decode(us))
}

// plainText makes a text of a certificate fit for facts: without mail addresses and
// credentials. It comes before a text is cut, since the rest of one would not be
// known for what it is.
func plainText(s string) string {
	return clean(mailText.ReplaceAllString(withoutCredentials(s), "{mail}"))
}

// quoted is what the libraries quote in their errors, which is what the source sent.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"?`)

// unquoted is the text of an error without what it quotes.
func unquoted(s string) string {
	return plainText(strings.TrimSpace(quoted.ReplaceAllString(s, "[...]")))
}
