package cosigner

import (
	"io"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence/problem"
)

// Logs says which logs a witness follows, and by which keys it knows them.
type Logs struct {
	byOrigin map[string]*logLine // a wildcard's ends in "/"
}

// logLine is an origin or all below one, with the keys that may sign there.
type logLine struct {
	wildcard bool
	keys     []note.Verifier
}

const (
	maxLogsFile = 1 << 20 // bytes
	maxKeys     = 8       // of one log
)

// LoadLogs reads a file of logs, see [ParseLogs].
func LoadLogs(path string) (*Logs, error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, problem.New(problem.NotFound, "there is no file of logs at %s", path).
			WithHint("write one: a line ORIGIN VERIFIER-KEY for each log; INSTALLATION/* stands for all logs of one evidenced")
	}
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "read logs %s", path)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxLogsFile+1))
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "read logs %s", path)
	}
	return ParseLogs(path, string(b))
}

// ParseLogs reads the text of a file of logs, at most 1 MiB. A line is
//
//	ORIGIN VERIFIER-KEY [# COMMENT]
//
// Origin is a log's, or PREFIX/* for every log whose origin is PREFIX/ and one
// more name without a slash; a line for one log goes before a wildcard. Several
// lines of one origin give it several keys. The name is for errors.
func ParseLogs(name, text string) (*Logs, error) {
	if len(text) > maxLogsFile {
		return nil, problem.New(problem.Config, "%s is larger than 1 MiB", name).WithHint("follow fewer logs")
	}
	logs := &Logs{byOrigin: map[string]*logLine{}}
	at := 0
	for line := range strings.Lines(text) {
		at++
		line, _, _ = strings.Cut(strings.TrimSuffix(line, "\n"), "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if why := logs.add(fields); why != "" {
			return nil, problem.New(problem.Config, "%s:%d: %s", name, at, why).
				WithHint("a line is ORIGIN VERIFIER-KEY; both stand in record 0 of the log, and in each of its packs")
		}
	}
	if len(logs.byOrigin) == 0 {
		return nil, problem.New(problem.Config, "%s names no log", name).WithHint("write a line ORIGIN VERIFIER-KEY for each log")
	}
	return logs, nil
}

// add takes a line in; it returns what is wrong with it.
func (l *Logs) add(fields []string) string {
	if len(fields) != 2 {
		return "want ORIGIN VERIFIER-KEY"
	}
	origin, wildcard := strings.CutSuffix(fields[0], "*")
	if wildcard && (!strings.HasSuffix(origin, "/") || len(origin) < 2) || strings.Contains(origin, "*") {
		return "a star stands only at the end, after a prefix and a slash"
	}
	v, err := note.NewVerifier(fields[1])
	if err != nil {
		return "the verifier key cannot be read (want an Ed25519 key of type 1)"
	}
	line := l.byOrigin[origin]
	if line == nil {
		line = &logLine{wildcard: wildcard}
		l.byOrigin[origin] = line
	}
	for _, k := range line.keys {
		if k.Name() == v.Name() && k.KeyHash() == v.KeyHash() {
			return "this key of this log stands twice"
		}
	}
	if len(line.keys) == maxKeys {
		return "too many keys of one log"
	}
	line.keys = append(line.keys, v)
	return ""
}

// find returns the line that an origin falls under.
func (l *Logs) find(origin string) (*logLine, bool) {
	if line, ok := l.byOrigin[origin]; ok && !line.wildcard {
		return line, true
	}
	i := strings.LastIndexByte(origin, '/')
	if i < 0 || i == len(origin)-1 {
		return nil, false
	}
	line, ok := l.byOrigin[origin[:i+1]]
	return line, ok && line.wildcard
}

// Len is the number of origins and wildcards.
func (l *Logs) Len() int { return len(l.byOrigin) }
