// Command transitserver serves the transit secrets engine of Vault, the real
// one from its Go module, for the tests of package transit. Storage, seal,
// policies and audit of a whole server are left out: there is one mount, a
// storage in memory for each namespace, and two tokens, of which the second may
// only encrypt, decrypt and read.
//
// It prints its address on standard output and ends when standard input ends,
// so that it never outlives the test that started it.
package main

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

type server struct {
	mount       string
	full, weak  string // tokens
	mu          sync.Mutex
	byNamespace map[string]*engine
}

type engine struct {
	logical.Backend
	storage logical.Storage
}

func main() {
	s := &server{byNamespace: map[string]*engine{}}
	flag.StringVar(&s.mount, "mount", "transit", "path of the engine")
	flag.StringVar(&s.full, "token", "", "token that may do everything")
	flag.StringVar(&s.weak, "weak", "", "token that may encrypt, decrypt and read")
	flag.Parse()
	if s.full == "" || s.weak == "" {
		fmt.Fprintln(os.Stderr, "transitserver: give -token and -weak")
		os.Exit(2)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "transitserver:", err)
		os.Exit(1)
	}
	fmt.Printf("http://%s\n", l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	fmt.Fprintln(os.Stderr, "transitserver:", srv.Serve(l))
	os.Exit(1)
}

// in returns the engine of a namespace.
func (s *server) in(ctx context.Context, namespace string) (*engine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byNamespace[namespace]; e != nil {
		return e, nil
	}
	e := &engine{storage: &logical.InmemStorage{}}
	conf := &logical.BackendConfig{
		StorageView: e.storage, Logger: hclog.NewNullLogger(), System: &logical.StaticSystemView{
			DefaultLeaseTTLVal: time.Hour, MaxLeaseTTLVal: time.Hour,
		},
	}
	b, err := transit.Backend(ctx, conf)
	if err != nil {
		return nil, err
	}
	// This release of the sdk refuses a path that can create and does not say
	// whether it exists; the engine's path for its cache is one.
	for _, p := range b.Paths {
		if p.ExistenceCheck == nil {
			p.ExistenceCheck = func(context.Context, *logical.Request, *framework.FieldData) (bool, error) { return true, nil }
		}
	}
	if err := b.Setup(ctx, conf); err != nil {
		return nil, err
	}
	e.Backend = b
	if err := e.Initialize(ctx, &logical.InitializationRequest{Storage: e.storage}); err != nil {
		return nil, err
	}
	s.byNamespace[namespace] = e
	return e, nil
}

// allowed applies the two policies.
func (s *server) allowed(token, method, path string) bool {
	if subtle.ConstantTimeCompare([]byte(token), []byte(s.full)) == 1 {
		return true
	}
	if subtle.ConstantTimeCompare([]byte(token), []byte(s.weak)) != 1 {
		return false
	}
	return strings.HasPrefix(path, "encrypt/") || strings.HasPrefix(path, "decrypt/") || method == http.MethodGet
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/"+s.mount+"/")
	if !ok {
		refuse(w, http.StatusNotFound, "no handler for route")
		return
	}
	if !s.allowed(r.Header.Get("X-Vault-Token"), r.Method, path) {
		refuse(w, http.StatusForbidden, "permission denied")
		return
	}
	e, err := s.in(r.Context(), strings.Trim(r.Header.Get("X-Vault-Namespace"), "/"))
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	req := &logical.Request{ID: "request", Path: path, MountPoint: s.mount + "/", Storage: e.storage, Connection: &logical.Connection{}}
	if r.Method == http.MethodPut || r.Method == http.MethodPost {
		if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&req.Data); err != nil && !errors.Is(err, io.EOF) {
			refuse(w, http.StatusBadRequest, "the body is no JSON object")
			return
		}
	}
	if req.Operation, err = e.operation(r, req); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	resp, err := e.HandleRequest(r.Context(), req)
	if status, err := logical.RespondErrorCommon(req, resp, err); status != 0 {
		text := ""
		if err != nil {
			text = err.Error()
		}
		refuse(w, status, text)
		return
	}
	if resp == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"request_id": "request", "data": resp.Data, "warnings": resp.Warnings})
}

// operation is the one that a whole server would choose: writing to what is
// not there yet creates it.
func (e *engine) operation(r *http.Request, req *logical.Request) (logical.Operation, error) {
	switch r.Method {
	case http.MethodGet:
		if r.URL.Query().Get("list") == "true" {
			return logical.ListOperation, nil
		}
		return logical.ReadOperation, nil
	case http.MethodDelete:
		return logical.DeleteOperation, nil
	case http.MethodPut, http.MethodPost:
	default:
		return "", errors.New("unsupported method")
	}
	req.Operation = logical.CreateOperation
	checked, exists, err := e.HandleExistenceCheck(r.Context(), req)
	if err != nil || checked && !exists {
		return logical.CreateOperation, err
	}
	return logical.UpdateOperation, nil
}

func refuse(w http.ResponseWriter, status int, text string) {
	list := []string{}
	if text != "" {
		list = append(list, text)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": list})
}
