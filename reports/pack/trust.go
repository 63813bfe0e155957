package pack

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// Trust is what an auditor knows of the makers of packs from elsewhere than
// the packs: which log a tenant has and by which keys it signs.
type Trust struct{ entries []trusted }

type trusted struct {
	tenant   evidence.Tenant
	origin   string
	logKey   string
	packKey  string
	from, to uint64 // sizes of the log that the keys sign, to exclusive; 0: open
	comment  string
}

// maxTrust bounds a trust file, in bytes.
const maxTrust = 1 << 20

// ParseTrust reads a trust file: a line for each log and key,
//
//	tenant origin log-key pack-key [from-to] [# since when, from whom]
//
// keys as note verifier keys, from-to the range of log sizes they may sign.
// Empty lines and lines that begin with # are skipped.
func ParseTrust(r io.Reader) (*Trust, error) {
	t := &Trust{}
	text, err := io.ReadAll(io.LimitReader(r, maxTrust+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxTrust {
		return nil, fmt.Errorf("trust file of more than %d bytes: what lies behind would not be read", maxTrust)
	}
	sc := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; sc.Scan(); n++ {
		line, comment, _ := strings.Cut(sc.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		e := trusted{comment: strings.TrimSpace(comment)}
		var err error
		if len(fields) != 4 && len(fields) != 5 {
			return nil, fmt.Errorf("trust file line %d: want tenant, origin, log key, pack key and perhaps a range of sizes", n)
		}
		if e.tenant, err = evidence.ParseTenant(fields[0]); err != nil {
			return nil, fmt.Errorf("trust file line %d: %w", n, err)
		}
		e.origin, e.logKey, e.packKey = fields[1], fields[2], fields[3]
		for _, k := range fields[2:4] {
			if _, err := chain.ParseKey(k); err != nil {
				return nil, fmt.Errorf("trust file line %d: key %q: %w", n, k, err)
			}
		}
		if len(fields) == 5 {
			from, to, ok := strings.Cut(fields[4], "-")
			e.from, err = strconv.ParseUint(from, 10, 53)
			if ok && err == nil && to != "" {
				e.to, err = strconv.ParseUint(to, 10, 53)
			}
			if !ok || err != nil || to != "" && e.to <= e.from { // "0-0" is no size at all, and would be all
				return nil, fmt.Errorf("trust file line %d: range %q, want from-to, the first size and the one after the last", n, fields[4])
			}
		}
		t.entries = append(t.entries, e)
	}
	return t, sc.Err()
}

// lookup returns the keys for the tenant's log at the size; an error says what
// the trust file knows instead.
func (t *Trust) lookup(tenant evidence.Tenant, origin string, size uint64) (*trusted, error) {
	known := false
	for i := range t.entries {
		e := &t.entries[i]
		if e.tenant != tenant {
			continue
		}
		known = true
		if e.origin == origin && size >= e.from && (e.to == 0 || size < e.to) {
			return e, nil
		}
	}
	if known {
		return nil, fmt.Errorf("your trust file knows %s, but not by log %s at size %d", tenant, origin, size)
	}
	return nil, fmt.Errorf("your trust file does not know %s", tenant)
}
