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
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/internal/testneeds"
)

// composed is what compose.yaml says of a service.
type composed struct {
	Image    string   `yaml:"image"`
	ReadOnly bool     `yaml:"read_only"`
	CapDrop  []string `yaml:"cap_drop"`
	User     string   `yaml:"user"`
	Command  []string `yaml:"command"`
	Volumes  []string `yaml:"volumes"`
	Networks map[string]struct {
		Address string `yaml:"ipv4_address"`
	} `yaml:"networks"`
}

func (c composed) address() string { return c.Networks["station"].Address }

// imageFile is what Containerfile says.
type imageFile struct {
	run, user       string
	entrypoint, cmd []string
	ports           []string
}

func readContainerfile(t *testing.T) (i imageFile) {
	t.Helper()
	text, err := os.ReadFile("../../Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", "")) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		var list *[]string
		switch word {
		case "RUN":
			i.run = rest
		case "USER":
			i.user = rest
		case "EXPOSE":
			i.ports = strings.Fields(rest)
		case "ENTRYPOINT":
			list = &i.entrypoint
		case "CMD":
			list = &i.cmd
		}
		if list != nil && json.Unmarshal([]byte(rest), list) != nil {
			t.Fatalf("%s isn't a list: %s", word, rest)
		}
	}
	return i
}

func readCompose(t *testing.T) (services map[string]composed, comment string) {
	t.Helper()
	text, err := os.ReadFile("../../compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]composed `yaml:"services"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file.Services, string(text)
}

// takes tells whether the program takes a command line, without running it.
func takes(t *testing.T, args []string) {
	t.Helper()
	cmd, rest, err := newRoot().Find(args)
	if err != nil || cmd.RunE == nil {
		t.Fatalf("%q: no such command: %v", args, err)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
}

// trial makes the folder that compose.yaml wants, by the commands at its top.
func trial(t *testing.T, comment string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Chdir(dir)
	command := regexp.MustCompile(`(?m)^#   fepha (station init trial .+)$`).FindStringSubmatch(comment)
	loop := regexp.MustCompile(`(?m)^#   for n in (.+); do fepha (node install .+); done$`).FindStringSubmatch(comment)
	if command == nil || loop == nil {
		t.Fatalf("compose.yaml doesn't say how trial/ is made:\n%s", comment)
	}
	fepha(t, cli.ExitDone, strings.Fields(command[1])...)
	for _, n := range strings.Fields(loop[1]) {
		fepha(t, cli.ExitDone, strings.Fields(strings.ReplaceAll(loop[2], "$n", n))...)
	}
	return dir
}

// The image and the trial fit the program: commands, flags, ports, addresses, files.
func TestContainers(t *testing.T) {
	services, comment := readCompose(t)
	im := readContainerfile(t)
	dir := trial(t, comment)
	station, err := configs.Load(filepath.Join(dir, "trial", "station.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(im.entrypoint, []string{"/usr/bin/fepha"}) || !strings.Contains(im.run, "scripts/build /image/usr/bin/fepha") {
		t.Errorf("entry point %q, built by %s", im.entrypoint, im.run)
	}
	if user, _, _ := strings.Cut(im.user, ":"); user == "" || user == "0" || user == "root" {
		t.Errorf("the image runs as %q", im.user)
	}
	takes(t, im.cmd)
	n := station.Cluster.Nodes[0]
	if want := []string{fmt.Sprint(n.Address.Port()), fmt.Sprint(n.API.Port()), "2404"}; !slices.Equal(im.ports, want) {
		t.Errorf("the image has ports %v, station init %v", im.ports, want)
	}
	for name, s := range services {
		takes(t, s.Command)
		if s.Image == "" || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !strings.Contains(s.User, im.user) {
			t.Errorf("%s: %+v, expected a read-only root, no capabilities, and the image's user", name, s)
		}
		if s.Command[0] != "node" {
			continue
		}
		node, ok := station.Node(name)
		if !ok || node.Address.Addr().String() != s.address() || !slices.Contains(s.Command, name) {
			t.Errorf("%s has address %s and runs %q: not the node of station init", name, s.address(), s.Command)
		}
		for _, v := range s.Volumes {
			from, to, _ := strings.Cut(v, ":")
			if info, err := os.Stat(from); err != nil || !info.IsDir() || !strings.HasSuffix(from, to) {
				t.Errorf("%s: volume %s: %v", name, v, err)
			}
		}
	}
	if got := station.RTUs[0].Channels[0].Address; got != services["device"].address()+":2404" || !slices.Contains(services["device"].Command, got) {
		t.Errorf("the device is at %s, and runs %q", got, services["device"].Command)
	}
}

// inContainer runs a service on the image's tree, as a container would: its user, nothing but the image and the volumes, and
// the image can't be written.
const inContainer = `set -eu
image=$1 user=$2; shift 2
mount --bind "$image" "$image"
while [ "$1" != -- ]; do
  mount --bind "${1%%:*}" "$image${1#*:}"
  shift
done
shift
mount -o remount,ro,bind "$image"
exec setpriv --no-new-privs chroot --userspec="$user" "$image" "$@"`

// The trial runs on the file tree that the image would have.
func TestTrialOnTheImagesTree(t *testing.T) {
	if testing.Short() {
		t.Skip("end-to-end")
	}
	if os.Geteuid() != 0 {
		testneeds.Met(t, errors.New("root's rights"))
	}
	source, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	services, comment := readCompose(t)
	im := readContainerfile(t)
	tree := filepath.Join(t.TempDir(), "image")
	build := exec.Command("sh", "-ec", strings.ReplaceAll(im.run, "/image", tree))
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", im.run, err, out)
	}
	if linked, err := exec.Command("file", filepath.Join(tree, "usr/bin/fepha")).Output(); err == nil && bytes.Contains(linked, []byte("dynamically")) {
		t.Fatalf("the program needs libraries: %s", linked)
	}
	dir := trial(t, comment)
	if out, err := exec.Command("chown", "-R", im.user, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}

	// All of compose's network on the loopback interface of one namespace.
	holder := exec.Command("unshare", "--net", "sh", "-ec", `ip link set lo up; for a in "$@"; do ip address add "$a/24" dev lo; done; echo ready; exec sleep infinity`, "sh")
	for _, s := range services {
		holder.Args = append(holder.Args, s.address())
	}
	holder.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	ready, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Process.Kill(); _ = holder.Wait() })
	if _, err := ready.Read(make([]byte, 16)); err != nil {
		t.Fatal("no network namespace: ", err)
	}
	for name, s := range services {
		args := []string{fmt.Sprintf("--net=/proc/%d/ns/net", holder.Process.Pid), "unshare", "--mount", "sh", "-c", inContainer, "sh", tree, im.user}
		for _, v := range s.Volumes {
			from, to, _ := strings.Cut(v, ":")
			args = append(args, filepath.Join(dir, from)+":"+to)
		}
		args = append(append(append(args, "--"), im.entrypoint...), s.Command...)
		c := exec.Command("nsenter", args...)
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
		var log bytes.Buffer
		c.Stdout, c.Stderr = &log, &log
		in, err := c.StdinPipe() // the device goes on for as long as it's open
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = c.Process.Signal(syscall.SIGTERM)
			_ = in.Close()
			if err := c.Wait(); err != nil || t.Failed() {
				t.Errorf("%s: %v\n%s", name, err, &log)
			}
		})
	}
	socket := "--addr=unix:" + filepath.Join(dir, "trial/fep1/var/lib/fepha/fep1/admin.sock")
	until(t, "the device to be online", func() bool {
		var st api.Status
		var out, errs strings.Builder
		return run(t.Context(), []string{"status", socket, "--json"}, strings.NewReader(""), &out, &errs) == cli.ExitDone &&
			json.Unmarshal([]byte(out.String()), &st) == nil && len(st.RTUs) == 1 && st.RTUs[0].Online && st.Leader != ""
	})
	for _, n := range []string{"fep1", "fep2", "wit"} {
		until(t, n+" to have offered the first admin's token", func() bool {
			_, err := os.Stat(filepath.Join(dir, "trial", n, "var/lib/fepha", n, "first-admin.json"))
			return os.IsNotExist(err)
		})
	}
}
