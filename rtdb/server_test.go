package rtdb

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/fepha/fepha/internal/lockedbuffer"
	"github.com/fepha/fepha/internal/testneeds"
)

// server is a Redis of the test's own: a real redis-server process on a free port, or miniredis.
type server struct {
	t    testing.TB
	addr string
	args []string
	dir  string

	mini *miniredis.Miniredis
	cmd  *exec.Cmd
	out  *lockedBuffer
}

// freePort is a loopback port that was free a moment ago.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// startRedis starts a redis-server with these arguments beside those for address and folder.
func startRedis(t testing.TB, args ...string) *server {
	t.Helper()
	testneeds.Program(t, "redis-server")
	port := freePort(t)
	s := &server{t: t, addr: fmt.Sprintf("127.0.0.1:%d", port), dir: t.TempDir()}
	s.args = append([]string{"--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--dir", s.dir}, args...)
	s.start()
	t.Cleanup(s.stop)
	return s
}

// start starts the process, and waits until it listens.
func (s *server) start() {
	s.t.Helper()
	if s.mini != nil {
		if err := s.mini.Restart(); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	s.out = &lockedBuffer{}
	s.cmd = exec.Command("redis-server", s.args...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if s.t.Failed() {
			s.t.Logf("redis-server %v:\n%s", s.args, s.out)
		}
	}()
	within(s.t, 20*time.Second, "redis-server is ready", func() bool {
		return s.out.count("Ready to accept connections") > 0 || s.out.count("Sentinel ID") > 0
	})
}

// stop ends the process, and with it all that it held.
func (s *server) stop() {
	if s.mini != nil {
		s.mini.Close()
		s.mini.FlushAll()
		return
	}
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(syscall.SIGCONT)
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// signal sends the process SIGSTOP or SIGCONT.
func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// client is a connection to look at what the server holds.
func (s *server) client() *redis.Client { return lookAt(s.t, s.addr, "") }

func lookAt(t testing.TB, addr, password string) *redis.Client {
	network, at := endpoint(addr)
	c := redis.NewClient(&redis.Options{Network: network, Addr: at, Password: password, Protocol: 2, DisableIdentity: true, PoolSize: 100})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// startMini starts a miniredis.
func startMini(t testing.TB) *server {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, addr: m.Addr(), mini: m}
	t.Cleanup(m.Close)
	return s
}

// onBoth runs a test with miniredis and with a real server.
func onBoth(t *testing.T, test func(t *testing.T, s *server)) {
	t.Run("miniredis", func(t *testing.T) { test(t, startMini(t)) })
	t.Run("redis-server", func(t *testing.T) { test(t, startRedis(t)) })
}

// lockedBuffer takes what a process or a logger writes.
type lockedBuffer struct{ lockedbuffer.Buffer }

// count is how many lines contain a text.
func (b *lockedBuffer) count(text string) int { return strings.Count(b.String(), text) }

// running is a publisher that runs.
type running struct {
	*Publisher
	log  *lockedBuffer
	stop func() // and waits; may be called twice
}

// run starts a publisher, which ends with the test.
func run(t testing.TB, cfg Config) *running {
	t.Helper()
	r := &running{log: &lockedBuffer{}}
	cfg.Log = newLogger(r.log)
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Publisher = p
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := p.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	r.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Logf("log of %s:\n%s", cfg.Replica.ID(), r.log)
		}
	})
	return r
}

// complete waits until the view is.
func (r *running) complete(t testing.TB) {
	t.Helper()
	within(t, 20*time.Second, "the view is complete", func() bool { return r.Stats().Complete })
}

// passwordFile writes a password where only the test can read it.
func passwordFile(t testing.TB, password string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
