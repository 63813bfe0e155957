package fetch

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"os"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// maxToken is the largest credential file, in bytes.
const maxToken = 64 << 10

// TokenFile returns a function that reads a credential from a file. The file
// is read at each call, since a mounted secret may be swapped without a change
// of size or time that could be trusted. White space at the end is dropped; an
// empty file and one that holds control characters are refused. Errors are
// problem.Credential and never hold the file's content.
func TokenFile(path string) func() (evidence.Secret, error) {
	return func() (evidence.Secret, error) {
		f, err := os.Open(path)
		if err != nil {
			return evidence.Secret{}, problem.Wrap(problem.Credential, err, "open token file").
				WithHint("create %s with the source's token in it, readable by the daemon", path)
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, maxToken+1))
		if err != nil {
			return evidence.Secret{}, problem.Wrap(problem.Credential, err, "read token file")
		}
		if len(b) > maxToken {
			return evidence.Secret{}, problem.New(problem.Credential, "token file %s is larger than %d bytes", path, maxToken)
		}
		b = bytes.TrimRight(b, " \t\r\n")
		if len(b) == 0 {
			return evidence.Secret{}, problem.New(problem.Credential, "token file %s is empty", path).
				WithHint("write the source's token into it")
		}
		for _, c := range b {
			if c < ' ' || c == 0x7f {
				return evidence.Secret{}, problem.New(problem.Credential, "token file %s holds a line break or control character inside the token", path).
					WithHint("keep one token on one line")
			}
		}
		return evidence.NewSecret(string(b)), nil
	}
}

// HeaderFrom makes Options.Header of a token: the header name holds prefix and
// the token.
func HeaderFrom(name, prefix string, token func() (evidence.Secret, error)) func() (http.Header, error) {
	return func() (http.Header, error) {
		s, err := token()
		if err != nil {
			return nil, err
		}
		return http.Header{http.CanonicalHeaderKey(name): {prefix + s.Reveal()}}, nil
	}
}

// Bearer makes Options.Header of a bearer token.
func Bearer(token func() (evidence.Secret, error)) func() (http.Header, error) {
	return HeaderFrom("Authorization", "Bearer ", token)
}

// Basic makes Options.Header of a user's password.
func Basic(user string, password func() (evidence.Secret, error)) func() (http.Header, error) {
	return func() (http.Header, error) {
		s, err := password()
		if err != nil {
			return nil, err
		}
		return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+s.Reveal()))}}, nil
	}
}

// FileHeader makes Options.Header of what a file holds: the password of a user,
// or a bearer token when there is none; nil without a file.
func FileHeader(user, file string) func() (http.Header, error) {
	switch {
	case file == "":
		return nil
	case user == "":
		return Bearer(TokenFile(file))
	}
	return Basic(user, TokenFile(file))
}
