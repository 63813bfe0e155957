package cosigner

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"evidenced/evidence/witness"
)

// maxAtOnce bounds the requests that are worked on at the same time; what comes
// beside them is asked to come back.
const maxAtOnce = 64

// Handler serves the protocol: POST /add-checkpoint, and for monitors GET
// /HASH/checkpoint with the hash of an origin. The server around it sets the
// timeouts.
func (c *Cosigner) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+witness.AddPath, c.serveAdd)
	mux.HandleFunc("GET /{hash}/checkpoint", c.serveLatest)
	slots := make(chan struct{}, maxAtOnce)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			mux.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
}

func (c *Cosigner) serveAdd(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(witness.MaxRequest)))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	req, err := witness.ParseRequest(body)
	if err != nil {
		w.WriteHeader(witness.Status(witness.ErrMalformed))
		return
	}
	line, err := c.Add(req)
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, []byte(line))
}

// refuse tells a refusal by its status, a conflict with the size. There is no
// text: the status says all that a client may know.
func refuse(w http.ResponseWriter, err error) {
	status := witness.Status(err)
	var conflict *witness.ConflictError
	switch {
	case errors.As(err, &conflict):
		w.Header().Set("Content-Type", witness.SizeType)
		w.WriteHeader(status)
		w.Write(witness.EncodeSize(conflict.Size))
		return
	case errors.Is(err, witness.ErrBusy):
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
}

func (c *Cosigner) serveLatest(w http.ResponseWriter, r *http.Request) {
	signed, ok, err := c.Latest(r.PathValue("hash"))
	switch {
	case err != nil:
		c.o.Log.Error("the newest checkpoint cannot be shown", "err", err)
		w.WriteHeader(http.StatusInternalServerError)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	default:
		answer(w, signed)
	}
}

func answer(w http.ResponseWriter, text []byte) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Write(text)
}
