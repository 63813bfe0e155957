package mappings

import (
	"context"
	"slices"
	"time"

	"evidenced/evidence"
)

// tokenLog is which tokens requests were made with. The view of requests and
// the one of credentials both need every request, of which there may be hundreds
// of thousands, so the first notes the tokens for the second.
type tokenLog struct {
	used map[tokenID]usedToken
	read int // requests
}

type tokenID struct {
	source   evidence.SourceID
	accessor string
}

// usedToken is one token over all its requests of the period.
type usedToken struct {
	first, last  uint64
	kind         evidence.Kind // of the first request
	source       evidence.SourceID
	began, ended moment // of the first and of the last
	method       string
	named        moment // of the request that told the method
	requests     int
	root         bool
	life         time.Duration
	socket       bool // every request of it came over a socket
	endless      bool
	unending     moment // of the request that told that it has no end
	endlessSeq   uint64
	endlessKind  evidence.Kind
}

// moment orders requests as the log does.
type moment struct {
	at  time.Time
	seq uint64
}

func (m moment) before(o moment) bool {
	if !m.at.Equal(o.at) {
		return m.at.Before(o.at)
	}
	return m.seq < o.seq
}

// tokenFacts is what of [evidence.AccessFacts] tells of the caller's token: of
// hundreds of thousands of requests nothing else is decoded.
type tokenFacts struct {
	Accessor   string `json:"accessor"`
	AuthMethod string `json:"auth_method"`
	Root       bool   `json:"root"`
	Transport  string `json:"transport"`
	TokenTTL   int64  `json:"token_ttl"`
	NoExpiry   bool   `json:"no_expiry"`
}

func tokenOf(f *evidence.AccessFacts) *tokenFacts {
	return &tokenFacts{f.Accessor, f.AuthMethod, f.Root, f.Transport, f.TokenTTL, f.NoExpiry}
}

// take takes one request, with the sequence numbers of all its versions.
func (l *tokenLog) take(r *evidence.Record, f *tokenFacts, seqs []uint64) {
	l.read++
	if f.Accessor == "" {
		return // nobody was logged in
	}
	at := moment{r.Occurred, seqs[len(seqs)-1]}
	t := usedToken{
		first: seqs[0], last: seqs[0], kind: r.Kind, source: r.Source, began: at, ended: at, requests: 1,
		root: f.Root, socket: f.Transport == "socket", life: time.Duration(f.TokenTTL) * time.Second,
	}
	if f.AuthMethod != "" {
		t.method, t.named = f.AuthMethod, at
	}
	if f.NoExpiry {
		t.endless, t.unending, t.endlessSeq, t.endlessKind = true, at, seqs[0], r.Kind
	}
	l.put(tokenID{r.Source, f.Accessor}, t)
}

func (l *tokenLog) put(id tokenID, t usedToken) {
	if was, ok := l.used[id]; ok {
		t = was.with(t)
	}
	if l.used == nil {
		l.used = map[tokenID]usedToken{}
	}
	l.used[id] = t
}

// with adds other requests of the same token.
func (t usedToken) with(o usedToken) usedToken {
	if o.began.before(t.began) {
		t.first, t.kind, t.began = o.first, o.kind, o.began
	}
	if t.ended.before(o.ended) {
		t.last, t.ended = o.last, o.ended
	}
	if o.method != "" && (t.method == "" || o.named.before(t.named)) {
		t.method, t.named = o.method, o.named
	}
	if o.endless && (!t.endless || o.unending.before(t.unending)) {
		t.endless, t.unending, t.endlessSeq, t.endlessKind = true, o.unending, o.endlessSeq, o.endlessKind
	}
	t.requests += o.requests
	t.root, t.socket, t.life = t.root || o.root, t.socket && o.socket, max(t.life, o.life)
	return t
}

// tokens returns the tokens that made requests in the scene's period.
func (s *scene) tokens(ctx context.Context) (map[tokenID]usedToken, error) {
	accesses, err := s.delivery.tokens.get(s, func() (*tokenLog, error) { return s.readTokens(ctx, evidence.SecretAccess) })
	if err != nil {
		return nil, err
	}
	all, err := s.readTokens(ctx, evidence.SecretAuth)
	if err != nil {
		return nil, err
	}
	for id, t := range accesses.used {
		all.put(id, t)
	}
	return all.used, nil
}

func (s *scene) readTokens(ctx context.Context, kind evidence.Kind) (*tokenLog, error) {
	l := &tokenLog{}
	return l, events(ctx, s, func(r *evidence.Record, seqs []uint64) error {
		var f tokenFacts
		if err := r.Decode(&f); err != nil {
			return err
		}
		l.take(r, &f, seqs)
		return nil
	}, kind)
}

// notesTokens reports whether the requests of the kind that are read now should
// be noted by their tokens, for a view that comes later.
func (s *scene) notesTokens(kind evidence.Kind) bool {
	return kind == evidence.SecretAccess && s.delivery.tokens.made == nil && slices.Contains(s.together, credentialsView)
}

// offerTokens keeps what was noted while all requests were read.
func (s *scene) offerTokens(l *tokenLog) {
	n := notes{read: l.read}
	n.reads.add(evidence.SecretAccess)
	s.delivery.tokens.offer(l, n)
}
