package signed

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// pgpSigners are OpenPGP keys.
type pgpSigners struct{ keys openpgp.EntityList }

// add reads every armored block of a file.
func (p *pgpSigners) add(b []byte) error {
	rest := b
	for n := 1; ; n++ {
		i := bytes.Index(rest, []byte("-----BEGIN PGP"))
		if i < 0 {
			return nil
		}
		r := bytes.NewReader(rest[i:])
		block, err := armor.Decode(r)
		if err != nil {
			return fmt.Errorf("block %d is no armored key: %w", n, err)
		}
		if block.Type != openpgp.PublicKeyType {
			return fmt.Errorf("block %d is a %q, not a public key", n, block.Type)
		}
		keys, err := openpgp.ReadKeyRing(block.Body)
		if err != nil {
			return fmt.Errorf("the key in block %d cannot be read: %w", n, err)
		}
		p.keys = append(p.keys, keys...)
		end := bytes.Index(rest[i:], []byte("-----END PGP"))
		if end < 0 {
			return fmt.Errorf("block %d has no end", n)
		}
		rest = rest[i+end+len("-----END PGP"):]
	}
}

func (p *pgpSigners) check(payload, armored []byte, now time.Time) Verdict {
	made, key, err := p.verify(payload, armored, now)
	if errors.Is(err, errUnreadable) {
		return same(Unreadable)
	}
	v := Verdict{NowWhy: pgpReason(err)}
	if v.NowWhy == Bad || v.NowWhy == UnknownKey {
		return same(v.NowWhy)
	}
	_, _, err = p.verify(payload, armored, made)
	v.Why, v.At = pgpReason(err), made.UTC()
	if key != nil {
		v.Key = strings.ToUpper(hex.EncodeToString(key.PrimaryKey.Fingerprint))
		for _, id := range key.Identities {
			if mail := strings.ToLower(id.UserId.Email); mail != "" && id.SelfSignature != nil && !id.Revoked(made) {
				v.mails = append(v.mails, mail)
			}
		}
	}
	return v
}

var errUnreadable = errors.New("unreadable signature")

// verify checks the signature as of a time, and returns when it says that it
// was made.
func (p *pgpSigners) verify(payload, armored []byte, at time.Time) (time.Time, *openpgp.Entity, error) {
	block, err := armor.Decode(bytes.NewReader(armored))
	if err != nil || block.Type != openpgp.SignatureType {
		return time.Time{}, nil, errUnreadable
	}
	body, err := io.ReadAll(io.LimitReader(block.Body, 1<<20))
	if err != nil {
		return time.Time{}, nil, errUnreadable
	}
	sig, key, err := openpgp.VerifyDetachedSignature(p.keys, bytes.NewReader(payload), bytes.NewReader(body),
		&packet.Config{Time: func() time.Time { return at }})
	var structural pgperrors.StructuralError
	var unsupported pgperrors.UnsupportedError
	if sig == nil && (errors.As(err, &structural) || errors.As(err, &unsupported) || errors.Is(err, io.ErrUnexpectedEOF)) {
		return time.Time{}, nil, errUnreadable
	}
	if sig == nil {
		return time.Time{}, nil, err
	}
	return sig.CreationTime, key, err
}

func pgpReason(err error) string {
	switch {
	case err == nil:
		return Good
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return UnknownKey
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return ExpiredKey
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return RevokedKey
	case errors.Is(err, pgperrors.ErrSignatureExpired):
		return ExpiredSig
	}
	return Bad
}
