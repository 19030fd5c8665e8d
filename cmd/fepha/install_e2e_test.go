package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/internal/testneeds"
)

// A pageBlock is a piece of docs/INSTALL.md that a reader types somewhere.
type pageBlock struct {
	hosts    []string
	password bool   // it asks for one
	goesOn   bool   // until the end
	until    string // it's repeated until its output has that
	text     string
}

var marked = regexp.MustCompile("(?m)^<!-- run on ([a-z0-9 ]+?)(, with a password)?(, and go on)?(?: until it says (.+?))? -->\n```sh\n((?s:.*?))```$")

// blocksOf are the marked ones of a page, in its order.
func blocksOf(t *testing.T, page string) (blocks []pageBlock) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range marked.FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, pageBlock{strings.Fields(m[1]), m[2] != "", m[3] != "", m[4], m[5]})
	}
	if n := strings.Count(string(text), "<!-- run"); n != len(blocks) || n == 0 {
		t.Fatalf("%s has %d marks, of which %d are understood", page, n, len(blocks))
	}
	return blocks
}

// Both languages have the same commands.
func TestInstallPagesHaveTheSameCommands(t *testing.T) {
	fences := regexp.MustCompile("(?ms)^```(?:sh|ini)\n.*?^```$")
	var both [2][]string
	for i, page := range []string{"../../docs/INSTALL.md", "../../docs/zh/INSTALL.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		both[i] = fences.FindAllString(string(text), -1)
		blocksOf(t, page)
	}
	if len(both[0]) != len(both[1]) {
		t.Fatalf("%d blocks in English, %d in Chinese", len(both[0]), len(both[1]))
	}
	for i := range both[0] {
		if both[0][i] != both[1][i] {
			t.Errorf("in English\n%s\nin Chinese\n%s", both[0][i], both[1][i])
		}
	}
}

// A machine is a copy of this one in a host's network, thrown away at the end: what is written there is nowhere else.
type machine struct {
	t    *testing.T
	host string
	pid  int    // of a process in its mounts
	root string // where its files are, within those
	cmd  func(program ...string) []string
}

const aMachine = `set -eu
mount -t tmpfs tmpfs "$1"
mkdir "$1"/upper "$1"/work "$1"/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --bind /dev "$1/root/dev"
mount --bind /dev/pts "$1/root/dev/pts"
mkdir -p "$1/root/machines" "$1/root/root"
mount --bind "$2" "$1/root/machines"
rm -rf "$1/root/etc/fepha" "$1/root/var/lib/fepha" "$1/root/run/systemd"
echo ready
exec sleep infinity`

func newMachine(t *testing.T, network *rig.Network, host, shared string) *machine {
	t.Helper()
	dir := t.TempDir()
	m := &machine{t: t, host: host, root: filepath.Join(dir, "root")}
	holder := exec.Command("unshare", "--mount", "sh", "-c", aMachine, "sh", dir, shared)
	holder.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var errs bytes.Buffer
	holder.Stderr = &errs
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = holder.Process.Kill()
		_ = holder.Wait()
	})
	if _, err := out.Read(make([]byte, 16)); err != nil {
		_ = holder.Wait()
		t.Fatalf("a copy of this machine for %s: %v: %s", host, err, &errs)
	}
	m.pid = holder.Process.Pid
	m.cmd = func(program ...string) []string {
		return network.Command(host, append([]string{"nsenter", fmt.Sprintf("--mount=/proc/%d/ns/mnt", m.pid), "chroot", m.root}, program...)...)
	}
	return m
}

// start begins a program on the machine, as root in root's folder.
func (m *machine) start(stdin string, out *bytes.Buffer, program ...string) *exec.Cmd {
	m.t.Helper()
	args := m.cmd(program...)
	c := exec.Command(args[0], args[1:]...)
	c.Env = []string{"PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin", "HOME=/root", "LANG=C.UTF-8", "GORACE=halt_on_error=1"}
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	c.WaitDelay = 5 * time.Second // a shell's programs have its output, too
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), out, out
	if err := c.Start(); err != nil {
		m.t.Fatal(err)
	}
	return c
}

// shell is what runs a block: it knows what the blocks before have exported, and copies to other machines without a network.
const shell = `set -e
cd /root
[ ! -f .exported ] || . ./.exported
scp() { # FILE root@ADDRESS:
  mkdir -p "/machines/${2%:}"
  cp -p "$1" "/machines/${2%:}/"
}
cp -rp "/machines/root@$1/." . 2>/dev/null || true
rm -rf "/machines/root@$1"
. "$2"
export -p >.exported
`

const aPassword = "a long enough passphrase"

// run types a block, and returns what it printed.
func (m *machine) run(b pageBlock, shared, address string) (string, error) {
	m.t.Helper()
	file, err := os.CreateTemp(shared, "block-")
	if err != nil {
		m.t.Fatal(err)
	}
	_, err = file.WriteString(b.text)
	if err = errors.Join(err, file.Close()); err != nil {
		m.t.Fatal(err)
	}
	var out bytes.Buffer
	program, stdin := []string{"bash", "/machines/shell", address, "/machines/" + filepath.Base(file.Name())}, ""
	if b.password {
		program, stdin = []string{"script", "-qec", strings.Join(program, " "), "/dev/null"}, aPassword+"\n"+aPassword+"\n"
	}
	c := m.start(stdin, &out, program...)
	if b.goesOn {
		m.t.Cleanup(func() {
			kill(c)
			_ = c.Wait()
			if m.t.Failed() {
				m.t.Logf("what went on on %s said:\n%s", m.host, &out)
			}
		})
		return "", nil
	}
	timer := time.AfterFunc(2*time.Minute, func() { kill(c) })
	defer timer.Stop()
	err = c.Wait()
	return out.String(), err
}

// kill ends a program and what it has started.
func kill(c *exec.Cmd) { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }

// serve starts the machine's unit as systemd would: its command, as its user.
func (m *machine) serve(id string) {
	m.t.Helper()
	var unit, log bytes.Buffer
	if err := m.start("", &unit, "cat", "/etc/systemd/system/fepha@.service").Wait(); err != nil {
		m.t.Fatalf("the unit: %v: %s", err, &unit)
	}
	command := regexp.MustCompile(`(?m)^ExecStart=(.+)$`).FindStringSubmatch(unit.String())
	user := regexp.MustCompile(`(?m)^User=(.+)$`).FindStringSubmatch(unit.String())
	if command == nil || user == nil {
		m.t.Fatalf("the unit has no command or user:\n%s", &unit)
	}
	program := strings.Fields(strings.ReplaceAll(command[1], "%i", id))
	c := m.start("", &log, append([]string{"setpriv", "--reuid=" + user[1], "--regid=" + user[1], "--clear-groups", "--no-new-privs"}, program...)...)
	m.t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
		if m.t.Failed() || strings.Contains(log.String(), "DATA RACE") {
			m.t.Errorf("log of %s:\n%s", id, log.String())
		}
	})
}

// A reader installs a station from docs/INSTALL.md: each command where it's to be typed, in the order of the page, on three
// machines in their own networks, with TLS, to a device that was moved.
func TestInstallByThePage(t *testing.T) {
	if testing.Short() {
		t.Skip("end-to-end")
	}
	for _, program := range []string{"unshare", "nsenter", "setpriv", "script"} {
		testneeds.Program(t, program)
	}
	network, err := rig.NewNetwork()
	testneeds.Met(t, err)
	t.Cleanup(func() {
		if err := network.Close(); err != nil {
			t.Error(err)
		}
	})
	shared := t.TempDir()
	if err := os.Chmod(shared, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(shared, "shell"), []byte(shell), 0o600); err != nil { // once: a shell reads it bit by bit
		t.Fatal(err)
	}
	addresses := map[string]string{"fep1": "10.91.2.66", "fep2": "10.91.2.67", "wit": "10.91.2.68", "dev": "10.91.3.71", "desk": "10.91.2.91"}
	machines := map[string]*machine{}
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(shared, "fepha"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	source, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for host := range addresses {
		in := host
		if host == "desk" {
			in = rig.SpareHost
		}
		machines[host] = newMachine(t, network, in, shared)
		var out bytes.Buffer
		if err := machines[host].start("", &out, source+"/scripts/install", "--binary", "/machines/fepha").Wait(); err != nil {
			t.Fatalf("scripts/install on %s: %v\n%s", host, err, &out)
		}
	}
	pointsOf(t, filepath.Join(shared, "root@"+addresses["desk"], "points.xlsx"), "../../docs/INSTALL.md")

	owner := func() string { // of the device
		out, err := machines["desk"].run(pageBlock{text: "fepha rtu list --json"}, shared, addresses["desk"])
		var rtus []api.RTUStatus
		if err != nil || json.Unmarshal([]byte(out), &rtus) != nil || len(rtus) != 1 {
			return ""
		}
		return rtus[0].Owner
	}
	began, section, moved := time.Now(), "", false
	for _, b := range blocksOf(t, "../../docs/INSTALL.md") {
		for _, host := range b.hosts {
			before := ""
			if strings.HasPrefix(b.text, "fepha rtu failover") {
				before = owner()
			}
			start := time.Now()
			out, err := machines[host].run(b, shared, addresses[host])
			for deadline := time.Now().Add(2 * time.Minute); b.until != "" && !strings.Contains(out, b.until) && time.Now().Before(deadline); {
				time.Sleep(200 * time.Millisecond) // as long as a person waits before trying again
				out, err = machines[host].run(b, shared, addresses[host])
			}
			if err != nil || !strings.Contains(out, b.until) {
				t.Fatalf("on %s:\n%s\n%v\n%s", host, b.text, err, out)
			}
			section += fmt.Sprintf("%6.1f s  %-4s  %s\n", time.Since(start).Seconds(), host, strings.TrimSpace(strings.SplitN(b.text, "\n", 2)[0]))
			if before != "" {
				untilWithin(t, time.Minute, "the device on the other FEP", func() bool { o := owner(); return o != "" && o != before })
				moved = true
			}
			if strings.Contains(b.text, "node install") {
				if !strings.Contains(out, "systemctl enable --now fepha@"+host) {
					t.Errorf("on %s it doesn't say how to start it:\n%s", host, out)
				}
				machines[host].serve(host)
			}
		}
	}
	if !moved {
		t.Error("the page has moved no device")
	}
	t.Logf("the whole page in %.0f s:\n%s", time.Since(began).Seconds(), section)

	// Alice is there, her token is spent, and no node has it.
	second := pageBlock{password: true, text: "fepha user first bob --token-file north/first-admin.token"}
	if out, err := machines["desk"].run(second, shared, addresses["desk"]); err == nil || !strings.Contains(out, "was used") || strings.Contains(out, "--cert") {
		t.Errorf("the token makes a second admin: %v\n%s", err, out)
	}
	if out, err := machines["fep2"].run(pageBlock{text: "fepha user list"}, shared, addresses["fep2"]); err != nil || !strings.Contains(out, "alice") || strings.Contains(out, "bob") {
		t.Errorf("users: %v\n%s", err, out)
	}
	for _, id := range []string{"fep1", "fep2", "wit"} {
		out, err := machines[id].run(pageBlock{text: "stat -c '%a %U:%G %n' /etc/fepha /etc/fepha/tls/node-key.pem /var/lib/fepha/*; ls /var/lib/fepha/*"}, shared, addresses[id])
		for _, want := range []string{"770 root:fepha /etc/fepha\n", "640 root:fepha /etc/fepha/tls/node-key.pem", "750 fepha:fepha /var/lib/fepha/" + id} {
			if err != nil || !strings.Contains(out, want) || strings.Contains(out, "first-admin") {
				t.Errorf("%s: %v, want %q:\n%s", id, err, want, out)
			}
		}
		// Once more, on a machine that serves: nothing is lost.
		again := pageBlock{text: "fepha node install /machines/again/" + id + ".tar.zst"}
		if out, err := machines["desk"].run(pageBlock{text: "mkdir -p /machines/again; cp north/*.tar.zst /machines/again/"}, shared, addresses["desk"]); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if out, err := machines[id].run(again, shared, addresses[id]); err != nil || !strings.Contains(out, "stays") {
			t.Errorf("installed again on %s: %v\n%s", id, err, out)
		}
	}
}

// pointsOf makes the workbook of the page from its table.
func pointsOf(t *testing.T, path, page string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	book := excelize.NewFile()
	if err := book.SetSheetName("Sheet1", "rtu1"); err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n| kind | point |")
	table, _, _ = strings.Cut("| kind | point |"+table, "\n\n")
	row := 0
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "|---") {
			continue
		}
		row++
		for column, cell := range strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|") {
			at, err := excelize.CoordinatesToCellName(column+1, row)
			if err != nil {
				t.Fatal(err)
			}
			if err := book.SetCellValue("rtu1", at, strings.TrimSpace(cell)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if row != 4 {
		t.Fatalf("%s has a table of %d rows", page, row)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := book.SaveAs(path); err != nil {
		t.Fatal(err)
	}
}
