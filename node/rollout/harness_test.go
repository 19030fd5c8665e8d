package rollout

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fepha/fepha/api/server"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
	"github.com/fepha/fepha/replica/replicatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var nodes = []string{"fep1", "fep2", "wit"}

// Names of the first RTU, by which configurations differ: the example's own, and others.
const (
	former = "110 kV incomer"
	one    = "one name"
	other  = "another"
)

// station is one in memory, whose nodes have files, a disk and an API as in service.
type station struct {
	*replicatest.Station
	t       *testing.T
	dir     string
	apis    map[string]string // addresses, by node
	members map[string]*member
}

// startStation starts one whose group has the files of its first configuration, and runs them.
func startStation(t *testing.T) *station {
	t.Helper()
	s := &station{t: t, dir: t.TempDir(), apis: map[string]string{}, members: map[string]*member{}}
	for _, id := range nodes {
		l := listen(t, "127.0.0.1:0")
		s.apis[id] = l.Addr().String()
		defer l.Close() // so that none gets another one's
	}
	first := s.load(s.write("first", former))
	s.Station = replicatest.New(t, Declaration(first))
	s.Do(t, "", &fsmpb.Command{Op: &fsmpb.Command_FeatureLevel{FeatureLevel: &fsmpb.FeatureLevel{Level: fsm.Level}}})
	return s
}

// run starts all nodes.
func (s *station) run() *station {
	s.t.Helper()
	for _, id := range nodes {
		s.write(id, former)
		s.start(id)
	}
	eventually(s.t, "the group has the files", func() bool { return s.version() == 1 })
	return s
}

// write writes the files of a configuration to a folder: the example with another name of the first RTU.
func (s *station) write(folder, name string) (path string) {
	s.t.Helper()
	dir := filepath.Join(s.dir, folder)
	path = filepath.Join(dir, "examples", "station.yaml")
	must(s.t, os.CopyFS(dir, configs.Examples))
	text, err := os.ReadFile(path)
	must(s.t, err)
	text = bytes.Replace(text, []byte(former), []byte(name), 1)
	for i, id := range nodes {
		text = bytes.Replace(text, fmt.Appendf(nil, "127.0.0.1:731%d", i+1), []byte(s.apis[id]), 1)
	}
	must(s.t, os.WriteFile(path, text, 0o600))
	return path
}

func (s *station) load(path string) *configs.Station {
	s.t.Helper()
	loaded, err := configs.Load(path)
	must(s.t, err)
	return loaded
}

// bundle is a configuration, packed, and its digest.
func (s *station) bundle(name string) (octets []byte, digest string) {
	s.t.Helper()
	dir, err := os.MkdirTemp(s.dir, "")
	must(s.t, err)
	files, loaded, err := configs.ReadBundle(s.write(filepath.Base(dir), name))
	must(s.t, err)
	octets, err = files.Encode()
	must(s.t, err)
	return octets, loaded.Digest()
}

// packed is a bundle with another text in one of its files.
func packed(t *testing.T, files *configs.Bundle, name, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	for _, n := range files.Names() {
		content := files.File(n)
		if n == name {
			content = []byte(text)
		}
		must(t, archive.WriteHeader(&tar.Header{Name: n, Mode: 0o644, Size: int64(len(content))}))
		_, err := archive.Write(content)
		must(t, err)
	}
	must(t, archive.Close())
	must(t, zip.Close())
	return out.Bytes()
}

// version is the number of the configuration in force; 0: the group hasn't got its files.
func (s *station) version() (number uint64) {
	s.View(func(st *fsm.State) {
		if v, ok := st.FilesInForce(); ok {
			number = v.Number
		}
	})
	return number
}

// runs waits until nodes run a configuration, and holds their files to it.
func (s *station) runs(digest string, ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		m := s.members[id]
		eventually(s.t, id+" runs what it should", func() bool { return m.Running().Digest == digest })
		if got := s.load(m.File).Digest(); got != digest {
			s.t.Errorf("%s: its files are %.12s, and it runs %.12s", id, got, digest)
		}
	}
}

// member is a node's process.
type member struct {
	*Configurator
	runner  runner
	reports reports
	trap    atomic.Pointer[trap]
	kill    func()
}

// trap is what happens at the next command of a kind that the node proposes.
type trap struct {
	at    func(*fsmpb.Command) bool
	do    func()
	after bool // it is committed, and its answer is lost
}

var (
	atStage  = func(c *fsmpb.Command) bool { return c.GetConfigStage() != nil }
	atPart   = func(c *fsmpb.Command) bool { return c.GetConfigPart() != nil }
	atCommit = func(c *fsmpb.Command) bool { return c.GetConfigure() != nil }
)

// start starts a node's process, as it's done in service.
func (s *station) start(id string) *member {
	s.t.Helper()
	config, data := filepath.Join(s.dir, id, "examples", "station.yaml"), filepath.Join(s.dir, id, "data")
	must(s.t, os.MkdirAll(data, 0o755))
	_, err := Complete(data, config)
	must(s.t, err)
	node := s.Start(id)
	m := &member{}
	m.runner.set(s.load(config))
	m.Configurator = New(Config{
		File: config, DataDir: data, Replica: trapped{node, m}, Runner: &m.runner, Reporter: &m.reports, Log: slog.New(slog.DiscardHandler),
	})
	srv := server.New(server.Config{Node: apiNode{Node: node}, Configurator: m.Configurator})
	l := listen(s.t, s.apis[id])
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := m.Run(ctx); err != nil {
			s.t.Error(err)
		}
	})
	running.Go(func() {
		if err := srv.Serve(l); err != nil {
			s.t.Error(err)
		}
	})
	m.kill = sync.OnceFunc(func() {
		node.Stop()
		cancel()
		if err := srv.Close(); err != nil {
			s.t.Error(err)
		}
		running.Wait()
	})
	s.t.Cleanup(m.kill)
	s.members[id] = m
	return m
}

// trapped is a node's replica.
type trapped struct {
	*replicatest.Node
	m *member
}

func (r trapped) Propose(ctx context.Context, c *fsmpb.Command) (replica.Result, error) {
	t := r.m.trap.Load()
	if t == nil || !t.at(c) || !r.m.trap.CompareAndSwap(t, nil) {
		return r.Node.Propose(ctx, c)
	}
	if !t.after {
		t.do()
		return r.Node.Propose(ctx, c)
	}
	if _, err := r.Node.Propose(ctx, c); err != nil {
		return replica.Result{}, err
	}
	t.do()
	return replica.Result{}, replica.ErrUnknownOutcome
}

func (trapped) Runs(*fsmpb.Configure) {}
func (trapped) Keeps(string, bool)    {}
func (trapped) CheckRoom(int64) error { return nil }

// apiNode is what the API asks of a node; nobody asks for more here than it's a member.
type apiNode struct {
	*replicatest.Node
	unasked
}

type unasked struct{ server.Node }

// runner is a node that runs whatever it's told to, but what it can't.
type runner struct {
	mu      sync.Mutex
	running Running
	cant    func() error // nil: it can run everything
}

func (r *runner) set(s *configs.Station) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = Running{Station: s, Digest: s.Digest(), Uplinks: map[string]string{}}
	for _, u := range s.Uplinks {
		r.running.Uplinks[u.Name] = u.Digest()
	}
}

func (r *runner) Running() Running {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running
}

func (r *runner) Check(*configs.Station) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cant == nil {
		return nil
	}
	return r.cant()
}

func (r *runner) Run(next *configs.Station) error {
	r.set(next)
	return nil
}

func (*runner) Reconnects(from, to *configs.RTU) bool { return false }

// reports are the conditions that a node reports.
type reports struct {
	mu  sync.Mutex
	set map[string]bool
}

func (r *reports) Set(report condition.Report) { r.put(report.ID(), true) }

func (r *reports) Clear(k *condition.Kind, resource string) { r.put(k.ID(resource), false) }

func (r *reports) put(id string, holds bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.set == nil {
		r.set = map[string]bool{}
	}
	r.set[id] = holds
}

func (r *reports) holds(k *condition.Kind, node string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.set[k.ID("node/"+node)]
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	must(t, err)
	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it doesn't come that " + what)
		}
	}
}
