package cli

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/internal/certs"
	"github.com/fepha/fepha/internal/plain"
)

// ClientFlags are those of every command that talks to a node.
type ClientFlags struct {
	addr, token   string
	ca, cert, key string
	JSON          bool
	utc, local    bool // times in UTC, or in this host's zone, instead of the station's

	zone *atomic.Pointer[time.Location] // the station's, as a node has said with its last answer
}

// Register gives a command the flags.
func (f *ClientFlags) Register(cmd *cobra.Command) {
	fl := cmd.PersistentFlags()
	fl.StringVar(&f.addr, "addr", envOr("FEPHA_ADDR", ownNode()), "URL of a node's API, or on its host unix:DATA-DIR/admin.sock; default from FEPHA_ADDR, else for root this machine's node")
	// The token's default is not shown in the help, so it is read in client().
	fl.StringVar(&f.token, "token", "", "API token; better given in FEPHA_TOKEN, where other users can't see it")
	fl.StringVar(&f.ca, "ca", os.Getenv("FEPHA_CA"), "PEM file of the station's CA; default from FEPHA_CA")
	fl.StringVar(&f.cert, "cert", os.Getenv("FEPHA_CERT"), "PEM file of a client certificate; default from FEPHA_CERT")
	fl.StringVar(&f.key, "key", os.Getenv("FEPHA_KEY"), "PEM file of its key; default from FEPHA_KEY")
	fl.BoolVar(&f.JSON, "json", false, "print JSON")
	fl.BoolVar(&f.utc, "utc", false, "show times in UTC instead of the station's zone")
	fl.BoolVar(&f.local, "local", false, "show times in this host's zone instead of the station's")
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// dataDirs are those of nodes, as the unit fepha@.service has them.
const dataDirs = "/var/lib/fepha/*/"

// ownNode is the node of this machine, for who may use its socket: root, and the service's user. There's one a machine.
func ownNode() string {
	if found, err := filepath.Glob(dataDirs + "admin.sock"); err == nil && len(found) == 1 {
		return "unix:" + found[0]
	}
	return "http://127.0.0.1:7310"
}

// Client makes a client of the node that the flags name.
func (f *ClientFlags) Client() (*client.Client, error) {
	f.zone = new(atomic.Pointer[time.Location])
	if path, ok := strings.CutPrefix(f.addr, "unix:"); ok {
		return &client.Client{Base: "http://localhost", HTTP: &http.Client{Transport: zoneReader{client.LocalTransport(strings.TrimPrefix(path, "//")), f.zone}}}, nil
	}
	base := f.addr
	if !strings.Contains(base, "://") {
		scheme := "http"
		if f.ca != "" || f.cert != "" {
			scheme = "https"
		}
		base = scheme + "://" + base
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, Usagef("--addr %q: expected the URL of a node's API, such as http://127.0.0.1:7310", f.addr)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if transport.TLSClientConfig, err = f.tls(); err != nil {
		return nil, err
	}
	token := f.token
	if token == "" {
		token = os.Getenv("FEPHA_TOKEN")
	}
	if u.Scheme == "http" {
		if ip := net.ParseIP(u.Hostname()); token != "" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return nil, Usagef("--addr %s: expected https, since a token would be sent in the clear", f.addr)
		}
		token = "" // a station on this host asks for none
	}
	return &client.Client{Base: u.Scheme + "://" + u.Host, Token: token, HTTP: &http.Client{Transport: zoneReader{transport, f.zone}}}, nil
}

// zoneReader takes the station's zone from a node's answers.
type zoneReader struct {
	http.RoundTripper
	zone *atomic.Pointer[time.Location]
}

func (z zoneReader) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := z.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if zone, err := time.LoadLocation(resp.Header.Get(api.ZoneHeader)); err == nil {
		z.zone.Store(zone)
	}
	return resp, nil
}

// Output is where a command prints what it was answered.
func (f *ClientFlags) Output(cmd *cobra.Command) io.Writer {
	zone := f.zone.Load()
	switch {
	case f.utc:
		zone = time.UTC
	case f.local:
		zone = time.Local
	}
	return NewOutput(cmd.OutOrStdout(), zone)
}

// tls is who is believed, and what is shown. No CA: those of the system.
func (f *ClientFlags) tls() (*tls.Config, error) {
	if (f.cert == "") != (f.key == "") {
		return nil, Usagef("expected both --cert and --key, or neither")
	}
	c, err := certs.Files{CA: f.ca, Cert: f.cert, Key: f.key}.Read()
	if err != nil {
		return nil, Usagef("--ca, --cert, --key: %w", err)
	}
	return c.Client(&tls.Config{MinVersion: tls.VersionTLS12}), nil
}

// Peer makes a client of another node of the station, as c is one of this.
func Peer(c *client.Client, address string) *client.Client {
	other := *c
	scheme, _, _ := strings.Cut(c.Base, "://")
	other.Base = scheme + "://" + address
	return &other
}

// ClientCommand is a command that calls a node: fetch gets what human prints,
// or what is printed as JSON.
func ClientCommand[T any](f *ClientFlags, cmd *cobra.Command, fetch func(ctx context.Context, c *client.Client, args []string) (T, error), human func(w io.Writer, v T) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := f.Client()
		if err != nil {
			return err
		}
		v, err := fetch(cmd.Context(), c, args)
		if err != nil {
			return ClientError(err)
		}
		if f.JSON {
			return WriteJSON(cmd.OutOrStdout(), v)
		}
		return human(f.Output(cmd), v)
	}
	return cmd
}

// ClientError gives an API error its exit code.
func ClientError(err error) error {
	if e, ok := errors.AsType[*api.Error](err); ok {
		switch e.Code {
		case api.CodeNoLeader:
			return Exit(ExitNoLeader, err)
		case api.CodeInvalid:
			return Exit(ExitUsage, err)
		case api.CodeUnauthorised:
			return fmt.Errorf("%w\nsee --token, and --cert with --key", err)
		}
	}
	if _, ok := errors.AsType[*exitError](err); ok {
		return err
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%w\nis --ca the station's CA, and --addr an address or name that the node's certificate has?", err)
	}
	if errors.Is(err, client.ErrUnreachable) {
		return fmt.Errorf("%w\nis the node running, and --addr its api address in station.yaml? Root of its machine needs no --addr", err)
	}
	return err
}

// WriteJSON prints v as JSON, indented, without what could move a terminal.
func WriteJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(plain.JSONWriter(w))
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
