package installcmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/internal/atomicfile"
	"github.com/fepha/fepha/internal/nodebundle"
)

// machine is where a bundle is put.
type machine struct {
	root     string // "" or the folder that stands for /
	uid, gid int    // of the service; -1: files stay whose they are
}

func (m *machine) path(parts ...string) string { return filepath.Join(m.root, filepath.Join(parts...)) }

// fits refuses a machine that is something else already.
func (m *machine) fits(in *incoming) error {
	if id := nodeOf(m.content(etcDir, "tls", "node.pem")); id != "" && id != in.Node {
		return cli.Usagef("nothing was touched: this machine is node %s (%s), and the bundle is for %s: expected the bundle of %s",
			id, m.path(etcDir, "tls", "node.pem"), in.Node, id)
	}
	if config := m.path(etcDir, "station.yaml"); m.content(etcDir, "station.yaml") != nil {
		if s, err := configs.Load(config); err == nil && s.ID != in.Station {
			return cli.Usagef("nothing was touched: this machine belongs to station %d (%s), and the bundle is for station %d", s.ID, config, in.Station)
		}
	}
	others, err := os.ReadDir(m.path(dataDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, o := range others {
		if inside, err := os.ReadDir(m.path(dataDir, o.Name())); o.IsDir() && o.Name() != in.Node && err == nil && len(inside) > 0 {
			return cli.Usagef("nothing was touched: this machine has data of node %s (%s), and the bundle is for %s: move that away if the machine is to be another node",
				o.Name(), m.path(dataDir, o.Name()), in.Node)
		}
	}
	return nil
}

func (m *machine) content(parts ...string) []byte {
	data, _ := os.ReadFile(m.path(parts...)) // what can't be read isn't there
	return data
}

// owner finds the service's user and group, in the machine's own files.
func (m *machine) owner() error {
	m.uid, m.gid = -1, -1
	if os.Geteuid() != 0 {
		return nil // an image made by somebody, whose files these are
	}
	uid, gid := entry(m.content("/etc/passwd")), entry(m.content("/etc/group"))
	if uid < 0 || gid < 0 {
		if m.root != "" {
			return nil
		}
		return cli.Usagef("nothing was touched: there is no user and group %q: install fepha's package first, or run scripts/install", service)
	}
	m.uid, m.gid = uid, gid
	return nil
}

// entry is the number of the service in passwd or group, whose third field it is; -1: it isn't there.
func entry(text []byte) int {
	for line := range bytes.Lines(text) {
		fields := strings.Split(strings.TrimSpace(string(line)), ":")
		if fields[0] == service && len(fields) > 3 {
			if n, err := strconv.Atoi(fields[2]); err == nil {
				return n
			}
		}
	}
	return -1
}

// put puts all in place.
func (m *machine) put(out io.Writer, in *incoming) error {
	data := m.path(dataDir, in.Node)
	old, err := os.ReadDir(data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	ran := slices.ContainsFunc(old, func(e fs.DirEntry) bool { return e.Name() != nodebundle.FirstAdminFile })
	for _, dir := range []string{"/etc", "/var/lib"} {
		if err := atomicfile.MkdirAll(m.path(dir), 0o755); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		dir  string
		mode fs.FileMode
		uid  int
	}{ // the service writes station.yaml and tables; keys it only reads
		{m.path(etcDir), 0o770, 0}, {m.path(etcDir, "tls"), 0o750, 0}, {m.path(dataDir), 0o750, m.uid}, {data, 0o750, m.uid},
	} {
		if err := m.folder(f.dir, f.mode, f.uid); err != nil {
			return err
		}
	}
	kept := 0
	for _, name := range slices.Sorted(maps.Keys(in.Files)) {
		content := in.Files[name]
		if rest, ok := strings.CutPrefix(name, nodebundle.Data); ok {
			if ran {
				continue // it was offered to the group at the first start
			}
			if err := m.file(filepath.Join(data, rest), content, 0o600, m.uid); err != nil {
				return err
			}
			continue
		}
		rest := filepath.FromSlash(strings.TrimPrefix(name, nodebundle.Etc))
		path := m.path(etcDir, rest)
		if err := m.folders(filepath.Dir(path)); err != nil {
			return err
		}
		replaced, err := m.keep(path, rest, content)
		if err != nil {
			return err
		}
		if replaced {
			kept++
		}
		if err := m.file(path, content, modeInEtc(rest), 0); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "configuration and keys are in %s, data in %s\n", m.path(etcDir), data)
	if kept > 0 {
		fmt.Fprintf(out, "%s that differed: as before in %s\n", cli.Count(kept, "file"), m.path(etcDir, formerDir))
	}
	if ran {
		fmt.Fprintln(out, "the node's data was there already, and stays")
	}
	return nil
}

const formerDir = "before-install"

// modeInEtc is that of a file of the configuration, whose group is the service's.
func modeInEtc(name string) fs.FileMode {
	if strings.HasSuffix(name, "-key.pem") {
		return 0o640
	}
	return 0o644
}

// folder makes a folder, or gives one its mode and owner.
func (m *machine) folder(dir string, mode fs.FileMode, uid int) error {
	if err := atomicfile.MkdirAll(dir, mode); err != nil {
		return err
	}
	if err := m.own(dir, uid); err != nil {
		return err
	}
	return os.Chmod(dir, mode)
}

// folders makes those of tables below the configuration's, into which the service writes.
func (m *machine) folders(dir string) error {
	if dir == m.path(etcDir) || dir == m.path(etcDir, "tls") {
		return nil
	}
	if err := m.folders(filepath.Dir(dir)); err != nil {
		return err
	}
	return m.folder(dir, 0o770, 0)
}

func (m *machine) own(path string, uid int) error {
	if m.uid < 0 {
		return nil
	}
	return os.Lchown(path, uid, m.gid)
}

func (m *machine) file(path string, content []byte, mode fs.FileMode, uid int) error {
	if err := atomicfile.Write(path, content, mode); err != nil {
		return err
	}
	return m.own(path, uid)
}

// keep copies a file aside that is about to get another content.
func (m *machine) keep(path, name string, content []byte) (bool, error) {
	old, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && bytes.Equal(old, content) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	aside := m.path(etcDir, formerDir, name)
	if err := atomicfile.MkdirAll(filepath.Dir(aside), 0o700); err != nil {
		return false, err
	}
	return true, m.file(aside, old, 0o600, 0)
}

// start enables and starts the unit, or says how.
func (m *machine) start(ctx context.Context, out io.Writer, node string, noStart bool) error {
	unit := "fepha@" + node + ".service"
	byHand := func(why string) error {
		_, err := fmt.Fprintf(out, "%s: start it with\n  systemctl enable --now %s\nor, without systemd, as the user %s\n  fepha node --config %s/station.yaml --id %s --data-dir %s/%s\n",
			why, strings.TrimSuffix(unit, ".service"), service, etcDir, node, dataDir, node)
		return err
	}
	_, err := exec.LookPath("systemctl")
	switch {
	case noStart:
		return byHand("the unit is left as it is")
	case m.root != "" && (err != nil || !m.hasUnit()):
		return byHand("no unit was enabled below " + m.root)
	case m.root != "":
		if err := systemctl(ctx, "--root="+m.root, "enable", unit); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out, "%s starts with the machine\n", unit)
		return err
	case err != nil || !isDir("/run/systemd/system"):
		return byHand("systemd isn't running here")
	}
	if systemctl(ctx, "is-active", "--quiet", unit) == nil {
		if err := systemctl(ctx, "enable", unit); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out, "%s runs already: it takes new certificates by itself, and another configuration with\n  systemctl restart %s\n", unit, strings.TrimSuffix(unit, ".service"))
		return err
	}
	if err := systemctl(ctx, "enable", "--now", unit); err != nil {
		return fmt.Errorf("all is in place, and the node doesn't start: see `journalctl -u %s`: %w", strings.TrimSuffix(unit, ".service"), err)
	}
	_, err = fmt.Fprintf(out, "%s runs, and starts with the machine: `fepha status`\n", unit)
	return err
}

// hasUnit tells whether the machine has the unit's file.
func (m *machine) hasUnit() bool {
	for _, dir := range []string{"/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"} {
		if _, err := os.Stat(m.path(dir, "fepha@.service")); err == nil {
			return true
		}
	}
	return false
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func systemctl(ctx context.Context, args ...string) error {
	said, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(said))
	}
	return nil
}
