package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/cli"
)

// version is set by release builds (-ldflags "-X main.version=v1.2.3").
var version = ""

// build says which build this is.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from a changed tree
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisBuild() build {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	if b.Version == "" {
		b.Version = "devel"
	}
	return b
}

// programName returns name and version, as packs and logs carry it.
func programName() string {
	b := thisBuild()
	if b.Version == "devel" && b.Commit != "" {
		return "evidenced devel " + b.Commit[:min(12, len(b.Commit))]
	}
	return "evidenced " + b.Version
}

func (p *program) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		GroupID: "check",
		Short:   "Which build this is",
		Long:    cli.ExitHelp(),
		Example: "  evidenced version --json",
		Args:    cobra.NoArgs,
	}
	var asJSON bool
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	cmd.RunE = func(*cobra.Command, []string) error {
		b := thisBuild()
		if asJSON {
			return json.NewEncoder(p.stdout).Encode(b)
		}
		_, err := fmt.Fprintf(p.stdout, "%s (%s, %s)\n", programName(), b.Go, b.Platform)
		return err
	}
	return cmd
}
