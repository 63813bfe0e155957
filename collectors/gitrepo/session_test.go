package gitrepo

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"evidenced/evidence/problem"
)

// endless is a server whose answers never end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func (endless) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(endless{})}, nil
}

// A server that announces refs without end, or acknowledges without end before
// its pack, fills no memory: the library keeps what it reads.
func TestEndlessAnswers(t *testing.T) {
	ck, r := start(), newRepo(t)
	c := collect(t, ck, func(c *Config) { c.MaxPackBytes = 1 << 20 }, r)
	m := &metered{l: &look{run: &run{Collector: c}}, next: endless{}}
	for _, tt := range []struct {
		method, want string
		most         int64
	}{
		{http.MethodGet, "list of refs", maxRefBytes},
		{http.MethodPost, "pack", c.cfg.MaxPackBytes + maxRefBytes},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, "https://git.example/r.git/info/refs", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := m.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(struct{ io.Writer }{io.Discard}, io.LimitReader(resp.Body, 1<<30))
		if err == nil || !problem.Is(err, problem.Refused) || !strings.Contains(err.Error(), tt.want) || n > tt.most {
			t.Errorf("%s: %d bytes and %v, want at most %d and a refusal of the %s", tt.method, n, err, tt.most, tt.want)
		}
	}
}
