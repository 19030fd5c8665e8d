package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
)

// clientFlags are those of every command that talks to a node.
type clientFlags struct {
	addr, token string
	json        bool
}

func (f *clientFlags) register(cmd *cobra.Command) {
	fl := cmd.PersistentFlags()
	fl.StringVar(&f.addr, "addr", envOr("FEPHA_ADDR", "http://127.0.0.1:7310"), "URL of a node's API; default from FEPHA_ADDR")
	// The token's default is not shown in the help, so it is read in client().
	fl.StringVar(&f.token, "token", "", "API token; better given in FEPHA_TOKEN, where other users can't see it")
	fl.BoolVar(&f.json, "json", false, "print JSON")
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

func (f *clientFlags) client() *api.Client {
	base := strings.TrimSuffix(f.addr, "/")
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	token := f.token
	if token == "" {
		token = os.Getenv("FEPHA_TOKEN")
	}
	return &api.Client{Base: base, Token: token}
}

// clientCommand is a command that calls a node: fetch gets what human prints,
// or what is printed as JSON.
func clientCommand[T any](f *clientFlags, cmd *cobra.Command, fetch func(ctx context.Context, c *api.Client, args []string) (T, error), human func(w io.Writer, v T) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		v, err := fetch(cmd.Context(), f.client(), args)
		if err != nil {
			return clientError(err)
		}
		if f.json {
			return writeJSON(cmd.OutOrStdout(), v)
		}
		return human(cmd.OutOrStdout(), v)
	}
	return cmd
}

// clientError gives an API error its exit code.
func clientError(err error) error {
	if e, ok := errors.AsType[*api.Error](err); ok {
		switch e.Code {
		case api.CodeNoLeader:
			return &exitError{exitNoLeader, err}
		case api.CodeInvalid:
			return &exitError{exitUsage, err}
		}
	}
	if errors.Is(err, api.ErrUnreachable) {
		return fmt.Errorf("%w\nis the node running, and --addr its api address in station.yaml?", err)
	}
	return err
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table prints rows of tab-separated cells under a header.
func table(w io.Writer, header string, rows ...string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, header)
	for _, r := range rows {
		fmt.Fprintln(t, r)
	}
	return t.Flush()
}

// row joins cells for table; an empty one is shown as a dash.
func row(cells ...any) string {
	text := make([]string, len(cells))
	for i, c := range cells {
		if text[i] = fmt.Sprint(c); text[i] == "" {
			text[i] = "-"
		}
	}
	return strings.Join(text, "\t")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
