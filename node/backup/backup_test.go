package backup

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/configs"
)

func TestMain(m *testing.M) {
	workFactor = 10
	os.Exit(m.Run())
}

var discard = slog.New(slog.DiscardHandler)

const passphrase = "correct horse battery staple"

// source is a station with a key, and what its state is.
func source(t *testing.T, keys bool) Source {
	t.Helper()
	files, station, err := configs.ReadBundle("../../configs/examples/station.yaml")
	if err != nil {
		t.Fatal(err)
	}
	own := t.TempDir()
	write := func(name, text string) configs.File {
		path := filepath.Join(own, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return configs.File{Name: "tls/" + name, Path: path}
	}
	station.Backup = &configs.Backup{Dir: filepath.Join(t.TempDir(), "{node}"), Every: time.Hour, Keep: 3}
	if keys {
		station.Backup.PassphraseFile = write("passphrase", passphrase+"\n")
		station.Named = []configs.NamedFile{{File: write("node-key.pem", "the private key")}, {File: station.Backup.PassphraseFile},
			{File: configs.File{Name: "tls/none", Path: filepath.Join(own, "none")}}}
	}
	return Source{Station: station, Node: "fep1", Build: "v1", Digest: station.Digest(), Files: files, State: func(w io.Writer) (uint64, error) {
		_, err := io.WriteString(w, strings.Repeat("state ", 1000))
		return 42, err
	}}
}

var at = time.Date(2026, 11, 29, 16, 0, 0, 0, time.UTC)

func TestWriteVerifyExtract(t *testing.T) {
	s := source(t, true)
	c, err := Write(s, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(strings.ReplaceAll(s.Station.Backup.Dir, "{node}", "fep1"), "fepha-21-fep1-20261129T160000Z.backup"); c.Path != want {
		t.Errorf("%s, want %s", c.Path, want)
	}
	if info, err := os.Stat(c.Path); err != nil || info.Mode().Perm() != 0o600 || info.Size() != c.Octets {
		t.Errorf("%v, %v", info, err)
	}
	raw, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"the private key", passphrase} {
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("%q can be read in it", secret)
		}
	}
	for _, p := range []string{"", passphrase} {
		m, err := Verify(c.Path, p)
		if err != nil || m.Station != 21 || m.Node != "fep1" || m.Index != 42 || m.AtMs != at.UnixMilli() || !m.Keys || len(m.Files) != 1+len(s.Files.Names())+1 {
			t.Errorf("with passphrase %q: %+v, %v", p, m, err)
		}
	}
	if _, err := Verify(c.Path, "another"); err == nil || !strings.Contains(err.Error(), "passphrase") {
		t.Errorf("another passphrase: %v", err)
	}

	dir := filepath.Join(t.TempDir(), "restored")
	if _, err := Extract(c.Path, passphrase, dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"state.snapshot": strings.Repeat("state ", 1000), "keys/tls/node-key.pem": "the private key"} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != want {
			t.Errorf("%s: %.40q, %v", name, data, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "keys/tls/passphrase")); !os.IsNotExist(err) {
		t.Error("the passphrase is among what it opens")
	}
	back, err := configs.Load(filepath.Join(dir, "configuration", "station.yaml"))
	if err != nil || back.Digest() == "" || len(back.RTUs) != 2 {
		t.Errorf("the configuration: %v", err)
	}
	if _, err := Extract(c.Path, passphrase, dir); err == nil {
		t.Error("it is unpacked over what is there")
	}
}

// One octet changed anywhere, or an end cut off, is told; nothing of it is unpacked.
func TestDamage(t *testing.T) {
	c, err := Write(source(t, false), at, nil)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "damaged")
	bad := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if m, err := Verify(path, ""); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, %d files", name, err, len(m.Files))
		}
	}
	for _, n := range []int{0, 1, len(whole) / 2, len(whole) - 1} {
		bad("cut off", whole[:n])
	}
	bad("another file", []byte("no zip file at all"))
	state := bytes.Index(whole, []byte(stateFile)) + len(stateFile) + 20 // within the packed state
	changed := bytes.Clone(whole)
	changed[state] ^= 1
	bad("an octet of the state", changed)
	dir := filepath.Join(t.TempDir(), "restored")
	if _, err := Extract(path, "", dir); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Error("something of it was unpacked")
	}
	if _, err := Verify(filepath.Join(dir, "none"), ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that isn't there: %v", err)
	}
}

// As many are kept as are to be kept, of this node and station alone; one that fails takes nothing away.
func TestPrune(t *testing.T) {
	s := source(t, false)
	dir := Dir(s.Station.Backup, "fep1")
	others := []string{"fepha-21-fep2-20200101T000000Z.backup", "fepha-22-fep1-20200101T000000Z.backup", "fepha-21-fep1-x.backup", "notes.txt"}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range others {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		if _, err := Write(s, at.Add(time.Duration(i)*time.Hour), nil); err != nil {
			t.Fatal(err)
		}
	}
	s.State = func(io.Writer) (uint64, error) { return 0, errors.New("trial") }
	if _, err := Write(s, at.Add(9*time.Hour), nil); err == nil {
		t.Error("a failure isn't told")
	}
	all, err := List(dir, 21, "fep1")
	if err != nil || len(all) != 3 || !all[0].At.Equal(at.Add(2*time.Hour)) || !all[2].At.Equal(at.Add(4*time.Hour)) {
		t.Errorf("%v, %v", all, err)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 3+len(others) {
		t.Errorf("left: %v", entries)
	}
}

func TestRoom(t *testing.T) {
	s := source(t, false)
	_, err := Write(s, at, func(string) (uint64, error) { return 63 << 20, nil })
	if !errors.Is(err, ErrNoRoom) || !strings.Contains(err.Error(), "expected 64 MiB") {
		t.Error(err)
	}
	if all, _ := List(Dir(s.Station.Backup, "fep1"), 21, "fep1"); len(all) != 0 {
		t.Errorf("written nevertheless: %v", all)
	}
	large := Copy{Octets: 100 << 20}
	if err := room(".", []Copy{large}, func(string) (uint64, error) { return 199 << 20, nil }); !errors.Is(err, ErrNoRoom) {
		t.Error(err)
	}
	if err := room(".", []Copy{large}, func(string) (uint64, error) { return 200 << 20, nil }); err != nil {
		t.Error(err)
	}
}

// reports are the conditions that hold.
type reports map[string]string

func (r reports) Set(x condition.Report)                 { r[x.Kind.Name] = strings.Join(x.Values, " ") }
func (r reports) Clear(k *condition.Kind, _ string)      { delete(r, k.Name) }
func (r reports) holds(k *condition.Kind) (string, bool) { v, ok := r[k.Name]; return v, ok }

// A copy is made when it's time, what fails is told at once and what is too old after twice the time.
func TestKeeper(t *testing.T) {
	s := source(t, false)
	held, room := reports{}, uint64(1<<40)
	k := &Keeper{
		Source: func() (Source, error) { return s, nil }, Config: func() *configs.Station { return s.Station }, Node: "fep1",
		Reporter: held, Log: discard, free: func(string) (uint64, error) { return room, nil },
	}
	copies := func() int {
		all, err := k.Copies()
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	for i, want := range []int{1, 1, 2} { // every hour
		k.round(at.Add(time.Duration(i) * 30 * time.Minute))
		if n := copies(); n != want {
			t.Fatalf("round %d: %d copies, want %d", i, n, want)
		}
	}
	room = 0
	k.round(at.Add(2 * time.Hour))
	if text, ok := held.holds(condition.BackupFailed); !ok || !strings.Contains(text, "no room") {
		t.Errorf("a failure is told as %q, %t", text, ok)
	}
	if _, ok := held.holds(condition.BackupOld); ok {
		t.Error("an hour's age is told")
	}
	k.round(at.Add(3*time.Hour + time.Second))
	if text, ok := held.holds(condition.BackupOld); !ok || !strings.Contains(text, "17:00") {
		t.Errorf("the age is told as %q, %t", text, ok)
	}
	room = 1 << 40
	k.round(at.Add(4 * time.Hour))
	if len(held) != 0 || copies() != 3 {
		t.Errorf("after it goes again: %v, %d copies", held, copies())
	}
	room = 0
	k.round(at.Add(9 * time.Hour))
	s.Station.Backup = nil
	k.round(at.Add(10 * time.Hour))
	if len(held) != 0 {
		t.Errorf("where none are asked for: %v", held)
	}
	if _, err := k.Now(at); !errors.Is(err, ErrOff) {
		t.Error(err)
	}
}

// What a crash has left of this node's goes, and another's stays.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	s := source(t, false)
	k := &Keeper{Config: func() *configs.Station { return s.Station }, Node: "fep1", Log: discard}
	for _, name := range []string{".fepha-21-fep1-20261129T160000Z.backup.123.tmp", ".fepha-21-fep2-20261129T160000Z.backup.123.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k.sweep(dir)
	if left, _ := os.ReadDir(dir); len(left) != 1 || !strings.Contains(left[0].Name(), "fep2") {
		t.Errorf("left: %v", left)
	}
}
