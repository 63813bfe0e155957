// Command authority serves the time-stamp authority of the sigstore project on
// a free port of the loopback interface, with keys that live as long as the
// process. It prints its address and ends when its standard input does.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/sigstore/timestamp-authority/v2/pkg/server"
	"github.com/spf13/viper"
)

func main() {
	for name, value := range map[string]any{
		"timestamp-signer": "memory", "timestamp-signer-hash": "sha256", "max-request-body-size": 1 << 16,
		"include-chain-in-response": len(os.Args) > 1 && os.Args[1] == "chain",
	} {
		viper.Set(name, value)
	}
	api := server.NewRestAPIServer("127.0.0.1", 0, []string{"http"}, false, 10*time.Second, 10*time.Second)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "authority:", err)
		os.Exit(1)
	}
	fmt.Printf("http://%s\n", l.Addr())
	s := &http.Server{Handler: api.GetHandler(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		s.Close()
	}()
	if err := s.Serve(l); err != http.ErrServerClosed {
		fmt.Fprintln(os.Stderr, "authority:", err)
		os.Exit(1)
	}
}
