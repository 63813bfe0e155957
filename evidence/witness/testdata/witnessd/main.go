// Command witnessd is transparency-dev/witness with a command line for tests:
// its witness, its HTTP handler, its client and its reader of tlog-proofs, each
// as it comes from that module. Nothing of evidenced is linked.
//
//	witnessd serve NAME LOGS    a witness of that name on loopback, which follows
//	                            the logs in the file ("ORIGIN VERIFIER-KEY" a line).
//	                            It prints its verifier key and its URL, and ends
//	                            when its standard input does.
//	witnessd submit URL         hands a checkpoint in at the URL, with their client:
//	                            JSON in (old, proof, checkpoint), JSON out
//	witnessd proof              reads a tlog-proof, JSON out
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	fnote "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/formats/proof"
	client "github.com/transparency-dev/witness/client/http"
	"github.com/transparency-dev/witness/persistence/inmemory"
	"github.com/transparency-dev/witness/witness"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 3 && args[0] == "serve":
		err = serve(args[1], args[2])
	case len(args) == 2 && args[0] == "submit":
		err = submit(args[1])
	case len(args) == 1 && args[0] == "proof":
		err = readProof()
	default:
		err = errors.New("usage: witnessd serve NAME LOGS | submit URL | proof")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "witnessd:", err)
		os.Exit(1)
	}
}

func serve(name, logsFile string) error {
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return err
	}
	if vkey, err = fnote.VKeyToCosignatureV1(vkey); err != nil {
		return err
	}
	signer, err := fnote.NewSignerForCosignatureV1(skey)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(logsFile)
	if err != nil {
		return err
	}
	logs := map[string]note.Verifier{}
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			return fmt.Errorf("logs: line %q", line)
		}
		if logs[fields[0]], err = note.NewVerifier(fields[1]); err != nil {
			return err
		}
	}
	w, err := witness.New(context.Background(), witness.Opts{
		Persistence: inmemory.New(),
		Signers:     []note.Signer{signer},
		VerifierForLog: func(_ context.Context, origin string) (note.Verifier, bool, error) {
			v, ok := logs[origin]
			return v, ok, nil
		},
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", witness.NewHTTPHandler(w).AddCheckpoint)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Printf("%s\nhttp://%s\n", vkey, l.Addr())
	return (&http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}).Serve(l)
}

func submit(to string) error {
	var in struct {
		Old        uint64   `json:"old"`
		Proof      [][]byte `json:"proof"`
		Checkpoint []byte   `json:"checkpoint"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		return err
	}
	u, err := url.Parse(to)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	answer, size, err := client.NewWitness(u, http.DefaultClient).Update(ctx, in.Old, in.Checkpoint, in.Proof)
	out := struct {
		Answer []byte `json:"answer"`
		Size   uint64 `json:"size"`
		Error  string `json:"error"`
	}{Answer: answer, Size: size}
	if err != nil {
		out.Error = err.Error()
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func readProof() error {
	b, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var p proof.TLogProof
	if err := p.Unmarshal(b); err != nil {
		return err
	}
	out := struct {
		Index      uint64   `json:"index"`
		Extra      []byte   `json:"extra"`
		Path       [][]byte `json:"path"`
		Checkpoint []byte   `json:"checkpoint"`
		Again      []byte   `json:"again"` // as they write it
	}{Index: p.Index, Extra: p.ExtraData, Checkpoint: p.Checkpoint, Again: p.Marshal()}
	for _, h := range p.Hashes {
		out.Path = append(out.Path, h[:])
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}
