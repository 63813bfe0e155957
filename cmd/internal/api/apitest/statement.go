package apitest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence/problem"
	"evidenced/mappings/statement"
)

// Sign makes what Signer takes for the account's signature over the text.
func Sign(account string, text []byte) []byte {
	return fmt.Appendf(nil, "%s\n%x", account, sha256.Sum256(text))
}

// Signer implements api.Statements: see Sign.
func (w *World) Signer(_ context.Context, text, signature []byte) (api.Signer, error) {
	account, sum, ok := strings.Cut(string(signature), "\n")
	if !ok || sum != fmt.Sprintf("%x", sha256.Sum256(text)) {
		return api.Signer{}, problem.New(problem.Refused, "the signature does not count: it is over other bytes than those of the text")
	}
	a, err := statement.ParseAccount(account)
	return api.Signer{Account: a, Key: "SHA256:" + a.NativeID, At: Now.Add(-time.Minute)}, err
}

// HoldsFile implements api.Statements by Files.
func (w *World) HoldsFile(_ context.Context, commit, path string, want []byte) (bool, error) {
	files, ok := w.Files[commit]
	if !ok {
		return false, problem.New(problem.NotFound, "no configured repository has commit %s", commit)
	}
	return bytes.Equal(files[path], want), nil
}
