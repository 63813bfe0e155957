package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"

	"github.com/hiddeco/sshsig"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
)

// pen makes a key for each file and writes it as an allowed signers file; the
// private half lies beside it.
//
//	pen FILE...
func pen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: pen FILE...")
	}
	for _, name := range args {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		ts.Check(err)
		key, err := ssh.NewPublicKey(public)
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte("somebody@bank.example "+string(ssh.MarshalAuthorizedKey(key))), 0o600))
		block, err := ssh.MarshalPrivateKey(private, "")
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(name)+".key", pem.EncodeToMemory(block), 0o600))
	}
}

// sign writes FILE.PEN.sig, a signature over the file as ssh-keygen -Y sign -n
// NAMESPACE makes one.
//
//	sign PEN NAMESPACE FILE
func sign(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: sign PEN NAMESPACE FILE")
	}
	text, err := os.ReadFile(ts.MkAbs(args[0]) + ".key")
	ts.Check(err)
	key, err := ssh.ParsePrivateKey(text)
	ts.Check(err)
	sig, err := sshsig.Sign(strings.NewReader(ts.ReadFile(args[2])), key, sshsig.HashSHA512, args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2])+"."+filepath.Base(args[0])+".sig", sshsig.Armor(sig), 0o600))
}
