package witness

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"evidenced/evidence/chain"
)

// algCosignature is the signature type of cosignatures, assigned by C2SP
// signed-note; 1 is the type of a log's own Ed25519 key.
const algCosignature = 4

// maxName bounds names of keys and of operators, in bytes.
const maxName = 255

// maxTime is the first second of the year 10000, which RFC 3339 cannot write.
const maxTime = 253402300800

// timeSize is the length of a timestamp, in bytes.
const timeSize = 8

// Witness is a key whose cosignatures are believed, and whose it is. The zero
// value is no witness and verifies nothing. It is a [note.Verifier].
type Witness struct {
	operator string
	name     string
	hash     uint32
	key      [ed25519.PublicKeySize]byte
	set      bool
}

// ParseWitness reads a witness's verifier key, NAME+HASH+BASE64 of 0x04 and the
// public key. Operator says who runs the witness, in words of the reader's own;
// several witnesses of one operator count as one in a [Policy].
func ParseWitness(operator, vkey string) (Witness, error) {
	if operator == "" || len(operator) > maxName || !utf8.ValidString(operator) || strings.TrimSpace(operator) != operator || strings.ContainsFunc(operator, unicode.IsControl) {
		return Witness{}, fmt.Errorf("witness: bad name of an operator")
	}
	name, hash, raw, err := splitKey(vkey)
	if err != nil {
		return Witness{}, err
	}
	w := Witness{operator: operator, name: name, hash: hash, set: true}
	copy(w.key[:], raw)
	if keyHash(name, raw) != hash || w.Key() != vkey {
		return Witness{}, fmt.Errorf("witness key of %s: its hash is not that of the key", name)
	}
	return w, nil
}

// splitKey reads NAME+HASH+BASE64 with 32 bytes of key material of the
// cosignature type.
func splitKey(text string) (name string, hash uint32, raw []byte, err error) {
	name, rest, _ := strings.Cut(text, "+")
	hex8, b64, _ := strings.Cut(rest, "+")
	h, herr := strconv.ParseUint(hex8, 16, 32)
	raw, berr := base64.StdEncoding.Strict().DecodeString(b64)
	if !validName(name) || len(hex8) != 8 || herr != nil || berr != nil || len(raw) != 1+ed25519.PublicKeySize {
		return "", 0, nil, fmt.Errorf("witness key: want NAME+HASH+BASE64 with a type and 32 bytes")
	}
	if raw[0] == 1 {
		return "", 0, nil, fmt.Errorf("witness key of %s: this is a log's key (type 1); a witness has one of type 4", name)
	}
	if raw[0] != algCosignature {
		return "", 0, nil, fmt.Errorf("witness key of %s: type %d, only type 4 (Ed25519 cosignature) is known", name, raw[0])
	}
	return name, uint32(h), raw[1:], nil
}

// validName is what C2SP signed-note allows as name of a key, in fewer bytes.
func validName(s string) bool {
	return s != "" && len(s) <= maxName && utf8.ValidString(s) && !strings.Contains(s, "+") &&
		!strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}

func keyHash(name string, public []byte) uint32 {
	h := sha256.New()
	h.Write([]byte(name + "\n"))
	h.Write([]byte{algCosignature})
	h.Write(public)
	return binary.BigEndian.Uint32(h.Sum(nil))
}

func keyText(name string, hash uint32, raw []byte) string {
	return fmt.Sprintf("%s+%08x+%s", name, hash, base64.StdEncoding.EncodeToString(append([]byte{algCosignature}, raw...)))
}

// Operator says who runs the witness.
func (w Witness) Operator() string { return w.operator }

// Name implements note.Verifier.
func (w Witness) Name() string { return w.name }

// KeyHash implements note.Verifier.
func (w Witness) KeyHash() uint32 { return w.hash }

// Key returns the verifier key.
func (w Witness) Key() string { return keyText(w.name, w.hash, w.key[:]) }

// Verify implements note.Verifier: whether sig is a timestamp and a cosignature
// of the note text. [Verify] does the same for a whole note.
func (w Witness) Verify(text, sig []byte) bool {
	at, ok := cosignedAt(sig)
	return ok && w.set && ed25519.Verify(w.key[:], message(at, string(text)), sig[timeSize:])
}

// cosignedAt reads the timestamp in front of an Ed25519 signature.
func cosignedAt(sig []byte) (uint64, bool) {
	if len(sig) != timeSize+ed25519.SignatureSize {
		return 0, false
	}
	at := binary.BigEndian.Uint64(sig)
	return at, at > 0 && at < maxTime
}

// message is what a cosignature signs.
func message(at uint64, text string) []byte {
	return fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at, text)
}

// Signer makes cosignatures.
type Signer struct {
	name string
	hash uint32
	key  ed25519.PrivateKey
}

// GenerateKey makes a new witness key of the name, which should be a host name
// and path that are the operator's own. It returns the private key
// (PRIVATE+KEY+NAME+HASH+BASE64 of 0x04 and the seed) and the verifier key.
func GenerateKey(name string) (skey, vkey string, err error) {
	if !validName(name) {
		return "", "", fmt.Errorf("witness key: a name has 1 to %d bytes, no white space and no plus sign", maxName)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("witness key: %w", err)
	}
	hash := keyHash(name, public)
	return "PRIVATE+KEY+" + keyText(name, hash, private.Seed()), keyText(name, hash, public), nil
}

// NewSigner reads a private key as [GenerateKey] makes it. Errors never quote
// the key.
func NewSigner(skey string) (*Signer, error) {
	text, ok := strings.CutPrefix(skey, "PRIVATE+KEY+")
	if !ok {
		return nil, fmt.Errorf("witness signing key: does not begin as one")
	}
	name, hash, seed, err := splitKey(text)
	if err != nil {
		return nil, fmt.Errorf("witness signing key: want PRIVATE+KEY+NAME+HASH+BASE64 with type 4 and a seed of 32 bytes")
	}
	key := ed25519.NewKeyFromSeed(seed)
	if keyHash(name, key.Public().(ed25519.PublicKey)) != hash || keyText(name, hash, seed) != text {
		return nil, fmt.Errorf("witness signing key of %s: its hash is not that of the key", name)
	}
	return &Signer{name, hash, key}, nil
}

// Key returns the verifier key.
func (s *Signer) Key() string { return keyText(s.name, s.hash, s.key.Public().(ed25519.PublicKey)) }

// Cosign returns the signature line, with its line end, that says: at this time
// the checkpoint was the newest of its log that the witness knew, and it extends
// all that came before. Whoever calls it has made sure of that, durably. Parts of
// a second are cut off. The same checkpoint and time give the same bytes.
func (s *Signer) Cosign(c chain.Checkpoint, at time.Time) (string, error) {
	if t := at.Unix(); t <= 0 || t >= maxTime {
		return "", fmt.Errorf("cosign: time %s cannot be written", at.UTC())
	}
	text := c.Text()
	if _, err := chain.ParseCheckpoint(text); err != nil {
		return "", fmt.Errorf("cosign: %w", err)
	}
	t := uint64(at.Unix())
	b := binary.BigEndian.AppendUint32(nil, s.hash)
	b = binary.BigEndian.AppendUint64(b, t)
	b = append(b, ed25519.Sign(s.key, message(t, text))...)
	return "\u2014 " + s.name + " " + base64.StdEncoding.EncodeToString(b) + "\n", nil
}

// OriginHash names a log in the path under which a witness shows its newest
// checkpoint: SHA-256 of the origin in lower-case hex.
func OriginHash(origin string) string {
	h := sha256.Sum256([]byte(origin))
	return hex.EncodeToString(h[:])
}
