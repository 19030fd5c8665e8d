//go:build linux

package server

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/fsm"
)

// The first admin is made through the data folder's socket, by those who own it.
func TestLocalSocket(t *testing.T) {
	s := serveSecured(t, cheap)
	path := filepath.Join(t.TempDir(), "admin.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.ServeLocal(l) }()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	local := &client.Client{Base: "http://localhost", HTTP: &http.Client{Transport: transport}}
	who, err := local.WhoAmI(t.Context())
	if err != nil || who.Role != "admin" || who.Kind != "local" || !strings.HasPrefix(who.Name, "local ") {
		t.Errorf("%+v, %v", who, err)
	}
	if err := local.AddUser(t.Context(), api.UserRequest{Name: "alice", Role: "admin", Password: "alice's password"}); err != nil {
		t.Fatal(err)
	}
	alice := s.login(t, "alice")
	if resp, text := s.request(t, "GET", "/v1/users", "", alice); resp.StatusCode != 200 || strings.Contains(text, "$2") {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	s.node.View(func(st *fsm.State) {
		for _, e := range st.ReadAudit(0, 1000) {
			if e.Note.Kind == fsm.NoteAccess && strings.HasPrefix(e.Note.Reason, "added") && !strings.HasPrefix(e.Note.Origin, "api:local ") {
				t.Errorf("added by %q", e.Note.Origin)
			}
		}
	})

	// Whoever else gets at the socket is sent away: rights of a folder are set wrong at times.
	if os.Getuid() == 0 {
		before := s.guard.Refused()
		if answer, err := connectAsStranger(path); err != nil || answer != "" {
			t.Errorf("a stranger is answered %q, %v", answer, err)
		}
		if s.guard.Refused() == before {
			t.Error("it isn't counted")
		}
	}
	transport.CloseIdleConnections()
	if err := s.local.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("ServeLocal: %v", err)
	}
}

// connectAsStranger asks as another user than this process's: on a thread of its own, which ends with it.
func connectAsStranger(path string) (answer string, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var fd int
		if fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0); err != nil {
			return
		}
		defer unix.Close(fd)
		if err = os.Chmod(path, 0o777); err != nil {
			return
		}
		for dir := filepath.Dir(path); len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
			if err = os.Chmod(dir, 0o755); err != nil {
				return
			}
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534); errno != 0 {
			err = errno
			return
		}
		if err = unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
			return
		}
		_, _ = unix.Write(fd, []byte("GET /v1/users HTTP/1.1\r\nHost: localhost\r\n\r\n")) // it may be closed already
		b := make([]byte, 100)
		n, _ := unix.Read(fd, b)
		answer = string(b[:max(n, 0)])
	}()
	<-done
	return answer, err
}
