package carecmd

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/internal/atomicfile"
	"github.com/fepha/fepha/internal/build"
	"github.com/fepha/fepha/internal/yamldoc"
)

// What a bundle may hold, octets as they are before they're packed: a large station's tables alone may be 100 MB.
const (
	mostOfFile = 32 << 20
	mostOfNode = 128 << 20
)

// told is what a node tells over its API of itself and of the station as it sees it. Users, tokens and sessions are not in it.
var told = []struct{ file, path string }{
	{"status.json", "/v1/status"},
	{"conditions.json", "/v1/conditions"},
	{"conditions-history.json", "/v1/conditions/history"},
	{"raft.json", "/v1/raft"},
	{"config.json", "/v1/config"},
	{"config-history.json", "/v1/config/history"},
	{"exports.json", "/v1/exports"},
	{"fnp.json", "/v1/fnp"},
	{"controls.json", "/v1/controls?limit=200"},
	{"events.json", "/v1/events?limit=5000"},
	{"audit.json", "/v1/audit?limit=1000"},
	{"metrics.txt", "/metrics"},
}

// Manifest says what a bundle has, and what it hasn't and why.
type Manifest struct {
	Station uint16         `json:"station"`
	Name    string         `json:"name"`
	AtMs    int64          `json:"at_ms"`
	Tool    string         `json:"tool"` // version of the program that has collected it
	Nodes   []ManifestNode `json:"nodes"`
}

// ManifestNode is a node's part of a bundle.
type ManifestNode struct {
	ID      string            `json:"id"`
	API     string            `json:"api"`
	Error   string            `json:"error,omitempty"` // why nothing is there of it
	Files   []string          `json:"files"`
	Missing map[string]string `json:"missing,omitempty"` // file: why it isn't there
}

// NewDebugCommand makes `fepha debug`.
func NewDebugCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "debug", Short: "Collect what those who make fepha need to find a fault"}
	cmd.AddCommand(newBundleCommand())
	return cmd
}

func newBundleCommand() *cobra.Command {
	var f cli.ClientFlags
	var cpu int
	cmd := &cobra.Command{
		Use:   "bundle [FILE]",
		Short: "Collect from all nodes what a maintainer needs, in one zip file",
		Long: `Collect from all nodes what a maintainer needs, in one zip file: status, conditions,
the end of the journal and of the audit, the end of each node's log, metrics,
goroutines, profiles, the configuration without comments, the last frames of each
link. A node that doesn't answer is left out, and manifest.json says why.

No password, token, key or session is in it. What is in it: names and values of
points, addresses, names of users and what they did. Look through it before it
leaves the house. It takes an engineer.`,
		Example: "  fepha debug bundle --cpu 10 fault.zip",
		Args:    cli.Args(cobra.MaximumNArgs(1)),
	}
	f.Register(cmd)
	cmd.Flags().IntVar(&cpu, "cpu", 5, "for how many seconds the use of the processor is measured on each node; 0: not at all")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cpu < 0 || cpu > api.MaxProfile {
			return cli.Usagef("--cpu %d: expected 0 to %d", cpu, api.MaxProfile)
		}
		c, err := f.Client()
		if err != nil {
			return err
		}
		st, err := c.Status(cmd.Context())
		if err != nil {
			return cli.ClientError(err)
		}
		name := fmt.Sprintf("fepha-debug-%d-%s.zip", st.Station, time.Now().UTC().Format("20060102T150405Z"))
		if len(args) > 0 {
			name = args[0]
		}
		var m Manifest
		if err := atomicfile.WriteFrom(name, 0o600, func(w io.Writer) error {
			m, err = collect(cmd.Context(), c, st, cpu, w)
			return err
		}); err != nil {
			return err
		}
		if f.JSON {
			err = cli.WriteJSON(cmd.OutOrStdout(), struct {
				File string `json:"file"`
				Manifest
			}{name, m})
		} else {
			err = printManifest(f.Output(cmd), name, m)
		}
		return err
	}
	return cmd
}

func printManifest(w io.Writer, name string, m Manifest) error {
	var rows []string
	for _, n := range m.Nodes {
		what := cli.Count(len(n.Files), "file")
		if n.Error != "" {
			what = "left out: " + n.Error
		} else if len(n.Missing) > 0 {
			what += fmt.Sprintf(", %d missing: see manifest.json", len(n.Missing))
		}
		rows = append(rows, cli.Row(n.ID, what))
	}
	if err := cli.Table(w, "NODE\tCOLLECTED", rows...); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s is written. It has no password, token or key; look through it before it leaves the house.\n", name)
	return err
}

// collected is what was got of a node.
type collected struct {
	ManifestNode
	contents map[string][]byte
	left     int   // octets that may still be taken
	refused  error // the caller may not see the node's inside
}

// errTooLarge: a file is left out.
var errTooLarge = errors.New("larger than what a bundle takes")

// take keeps a file that get writes, or why it isn't there.
func (n *collected) take(name string, get func(w io.Writer) error) {
	var b bytes.Buffer
	err := get(&limited{&b, min(mostOfFile, n.left)})
	if err != nil {
		n.Missing[name] = err.Error()
		return
	}
	n.add(name, b.Bytes())
}

func (n *collected) add(name string, data []byte) {
	if len(data) > n.left {
		n.Missing[name] = errTooLarge.Error()
		return
	}
	n.left -= len(data)
	n.Files, n.contents[name] = append(n.Files, name), data
}

// limited takes so many octets.
type limited struct {
	io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errTooLarge
	}
	return l.Writer.Write(p)
}

// collect asks all nodes at the same time and writes what they have told.
func collect(ctx context.Context, c *client.Client, st api.Status, cpu int, w io.Writer) (Manifest, error) {
	m := Manifest{Station: st.Station, Name: st.Name, AtMs: time.Now().UnixMilli(), Tool: build.Read().String()}
	nodes := make([]collected, len(st.Nodes))
	var all sync.WaitGroup
	for i, n := range st.Nodes {
		of := c
		if n.ID != st.Node {
			of = cli.Peer(c, n.API)
		}
		all.Go(func() { nodes[i] = ask(ctx, of, n, cpu) })
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		return m, err
	}
	for i, n := range st.Nodes {
		if n.ID == st.Node && nodes[i].refused != nil {
			return m, cli.ClientError(nodes[i].refused)
		}
	}
	z := zip.NewWriter(w)
	put := func(name string, data []byte) error {
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.UnixMilli(m.AtMs)})
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		return err
	}
	for _, n := range nodes {
		for _, name := range n.Files {
			if err := put(n.ID+"/"+name, n.contents[name]); err != nil {
				return m, err
			}
		}
		m.Nodes = append(m.Nodes, n.ManifestNode)
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err == nil {
		err = put("manifest.json", text)
	}
	return m, errors.Join(err, z.Close())
}

// ask collects what a node tells.
func ask(ctx context.Context, c *client.Client, node api.NodeStatus, cpu int) collected {
	n := collected{ManifestNode{ID: node.ID, API: node.API, Files: []string{}, Missing: map[string]string{}}, map[string][]byte{}, mostOfNode, nil}
	if _, err := c.Status(ctx); err != nil {
		n.Error = err.Error()
		return n
	}
	for _, t := range told {
		n.take(t.file, func(w io.Writer) error { return c.Raw(ctx, t.path, w) })
	}
	n.configuration(func(w io.Writer) error { return c.Raw(ctx, "/v1/config/files", w) })
	var inside bytes.Buffer
	err := c.Inside(ctx, cpu, &limited{&inside, n.left})
	if e, ok := errors.AsType[*api.Error](err); ok && e.Code == api.CodeUnauthorised {
		n.refused = err
	}
	if err == nil {
		err = n.unpack(inside.Bytes())
	}
	if err != nil {
		n.Missing["log, goroutines, profiles, frames"] = err.Error()
	}
	return n
}

// unpack takes the files of a zip file, which may unpack to more than is taken.
func (n *collected) unpack(data []byte) error {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	for _, f := range z.File {
		if strings.ContainsAny(f.Name, `/\`) || strings.HasPrefix(f.Name, ".") {
			continue // no node has such
		}
		n.take(f.Name, func(w io.Writer) error {
			r, err := f.Open()
			if err != nil {
				return err
			}
			_, err = io.Copy(w, r)
			return errors.Join(err, r.Close())
		})
	}
	return nil
}

// configuration takes the files in force. They name secrets and have none, but for what people write into comments.
func (n *collected) configuration(get func(w io.Writer) error) {
	const all = "configuration"
	var packed bytes.Buffer
	err := get(&limited{&packed, n.left})
	var files *configs.Bundle
	if err == nil {
		files, err = configs.DecodeBundle(packed.Bytes())
	}
	if err != nil {
		n.Missing[all] = err.Error()
		return
	}
	for _, name := range files.Names() {
		data := files.File(name)
		if strings.HasSuffix(name, ".yaml") {
			if data, err = withoutComments(data); err != nil {
				n.Missing[all+"/"+name] = err.Error()
				continue
			}
		}
		n.add(all+"/"+name, data)
	}
}

func withoutComments(text []byte) ([]byte, error) {
	f, err := yamldoc.Parse(text)
	if err != nil {
		return nil, err
	}
	return []byte(f.String()), nil
}
