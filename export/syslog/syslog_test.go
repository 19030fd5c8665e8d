package syslog_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fepha/fepha/export"
	"github.com/fepha/fepha/export/exporttest"
	"github.com/fepha/fepha/export/syslog"
	"github.com/fepha/fepha/internal/testneeds"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is an rsyslog of the test's own, which writes what it gets to a file.
type server struct {
	t       testing.TB
	port    string
	file    string
	process *exporttest.Process
}

func start(t testing.TB) *server {
	rsyslogd := testneeds.Program(t, "rsyslogd", "/usr/sbin/rsyslogd")
	dir := t.TempDir()
	s := &server{t: t, port: exporttest.FreePort(t), file: filepath.Join(dir, "log")}
	conf := filepath.Join(dir, "rsyslog.conf")
	text := `global(workDirectory="` + dir + `" maxMessageSize="64k")
module(load="imptcp")
input(type="imptcp" port="` + s.port + `" address="127.0.0.1")
template(name="raw" type="string" string="%rawmsg%\n")
action(type="omfile" file="` + s.file + `" template="raw" flushOnTXEnd="on")
`
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.process = exporttest.Start(t, nil, rsyslogd, "-n", "-f", conf, "-i", filepath.Join(dir, "pid"))
	s.ready()
	return s
}

func (s *server) driver(string) export.Driver {
	d, err := syslog.New(syslog.Config{URL: "syslog+tcp://127.0.0.1:" + s.port, Host: "station-21"})
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *server) ready() {
	s.t.Helper()
	exporttest.Within(s.t, 20*time.Second, "rsyslogd answers", func() bool { return s.driver("").Probe(context.Background()) == nil })
}

func (s *server) log() []byte {
	b, err := os.ReadFile(s.file)
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	return b
}

var seqOf = regexp.MustCompile(`\[fepha@32473 station="21" seq="([0-9]+)" rtu=`)

func (s *server) seqs() (seqs []uint64) {
	for _, m := range seqOf.FindAllSubmatch(s.log(), -1) {
		n, _ := strconv.ParseUint(string(m[1]), 10, 64)
		seqs = append(seqs, n)
	}
	return seqs
}

// An orderly end loses nothing and repeats little; a server that is killed with octets unread gets them again.
func TestFaults(t *testing.T) {
	s := start(t)
	exporttest.Faults(t, exporttest.Server{
		Driver: s.driver,
		Seqs:   s.seqs,
		Stop:   func() { s.process.Stop(15) },
		Start: func() {
			s.process.Restart()
			s.ready()
		},
	})
}

// form is RFC 5424's header and structured data.
var form = regexp.MustCompile(`^<(134|109)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d) station-21 fepha - (event|audit) \[fepha@32473( [a-z]+="([^"\\\]]|\\["\\\]])*")+\] \x{feff}.`)

func TestForm(t *testing.T) {
	s := start(t)
	x := exporttest.New(t, true, true)
	x.Run("fep1", export.Export{Driver: s.driver("")})
	x.Assign(t, exporttest.Resource, "fep1")
	x.Happen(3)
	x.Exported()
	exporttest.Within(t, 20*time.Second, "all lines", func() bool { return len(s.seqs()) == 3 })
	lines := bytes.Split(bytes.TrimSpace(s.log()), []byte("\n"))
	audits := 0
	for _, line := range lines {
		if !form.Match(line) {
			t.Errorf("%q", line)
		}
		if bytes.HasPrefix(line, []byte("<109>")) {
			audits++
		}
	}
	if audits == 0 || !strings.Contains(string(lines[len(lines)-1]), `开关`) {
		t.Errorf("%d of the audit among\n%s", audits, s.log())
	}
}
