package exporttest

import (
	"net"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/fepha/fepha/internal/lockedbuffer"
)

// Process is a server of a test's own.
type Process struct {
	t    testing.TB
	args []string
	cred *syscall.Credential
	cmd  *exec.Cmd
	out  lockedbuffer.Buffer
}

// FolderOfNobody is a folder of the user who runs servers that refuse to be root's.
func FolderOfNobody(t testing.TB) (dir string, user *syscall.Credential) {
	t.Helper()
	dir, err := os.MkdirTemp("", "fepha-export")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if user = nobody(t); user != nil {
		if err := os.Chown(dir, int(user.Uid), int(user.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return dir, user
}

// nobody is the user of servers that refuse to be root's; nil unless this process is root's.
func nobody(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// Start starts a server, which is killed at the end of the test.
func Start(t testing.TB, cred *syscall.Credential, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, args: args, cred: cred}
	p.Restart()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%v:\n%s", args, p.out.String())
		}
	})
	return p
}

// Restart starts it anew.
func (p *Process) Restart() {
	p.t.Helper()
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.cred, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// Kill ends it at once.
func (p *Process) Kill() { p.end(syscall.SIGKILL) }

// Stop asks it to end.
func (p *Process) Stop(sig syscall.Signal) { p.end(sig) }

// Signal sends it SIGSTOP or SIGCONT.
func (p *Process) Signal(sig syscall.Signal) { _ = p.cmd.Process.Signal(sig) }

func (p *Process) end(sig syscall.Signal) {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	_ = p.cmd.Process.Signal(sig)
	_ = p.cmd.Wait()
	p.cmd = nil
}

// FreePort is a loopback port that was free a moment ago.
func FreePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// Within waits until a condition holds.
func Within(t testing.TB, d time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(d); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}

// Run runs a program to its end.
func Run(t testing.TB, cred *syscall.Credential, args ...string) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}
