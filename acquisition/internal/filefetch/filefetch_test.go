package filefetch

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fepha/fepha/filestore"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/filetransfer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// station is a device with files, behind connections.
type station struct {
	t       *testing.T
	fetcher *Fetcher
	store   *filestore.Store

	mu      sync.Mutex
	files   map[filetransfer.Key][]byte
	made    map[filetransfer.Key]time.Time
	asked   []string // in words
	silent  bool
	without bool // file transfer is unknown
	lose    int  // after so many messages the connection is lost; 0: never
	lost    func()
	faults  []string
	serving *filetransfer.Serving
}

func newStation(t *testing.T) *station {
	store, err := filestore.Open(t.TempDir(), filestore.MaxTotal, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := &station{t: t, store: store, files: map[filetransfer.Key][]byte{}, made: map[filetransfer.Key]time.Time{}}
	s.fetcher = New(Config{
		Store: store, RTU: 7, CommonAddress: 3, Profile: asdu.DefaultProfile, Device: time.UTC, Station: time.FixedZone("CST", 8*3600), Node: "fep1",
		Fault: func(format string, args ...any) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.faults = append(s.faults, fmt.Sprintf(format, args...))
		},
		Log: slog.New(slog.DiscardHandler),
	})
	s.serving = &filetransfer.Serving{Open: func(k filetransfer.Key) (filetransfer.File, bool) {
		content, ok := s.files[k]
		return filetransfer.File{Content: bytes.NewReader(content), Length: uint32(len(content))}, ok
	}}
	t.Cleanup(s.fetcher.Close)
	return s
}

func key(address uint32) filetransfer.Key {
	return filetransfer.Key{Address: asdu.InformationObjectAddress(address), Name: asdu.DisturbanceData}
}

// add gives the device a file of so many octets.
func (s *station) add(address uint32, octets int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	content := bytes.Repeat([]byte{byte(address), 2, 3, 5, 7}, octets/5+1)[:octets]
	s.files[key(address)], s.made[key(address)] = content, time.Now()
	return content
}

func (s *station) directory(cause asdu.CauseOfTransmission) []asdu.ASDU {
	var entries []asdu.DirectoryEntry
	for k, content := range s.files {
		entries = append(entries, asdu.DirectoryEntry{Address: k.Address, Name: k.Name, Length: uint32(len(content)), Time: asdu.NewCP56Time2a(s.made[k], time.UTC)})
	}
	slices.SortFunc(entries, func(a, b asdu.DirectoryEntry) int { return int(a.Address) - int(b.Address) })
	entries[len(entries)-1].Status = asdu.LastFile
	packed, err := asdu.DefaultProfile.NewDirectories(asdu.Header{Cause: cause, CommonAddress: 3}, entries)
	if err != nil {
		s.t.Error(err)
	}
	return packed
}

// send is what the fetcher sends, and the device's answer.
func (s *station) send(ctx context.Context, a asdu.ASDU) error {
	s.mu.Lock()
	answers := s.answer(a)
	s.mu.Unlock()
	for _, a := range answers {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.fetcher.Receive("link", a)
	}
	return nil
}

func (s *station) answer(a asdu.ASDU) (answers []asdu.ASDU) {
	s.asked = append(s.asked, a.String())
	f, err := a.File()
	switch {
	case err != nil:
		s.t.Error(err)
	case s.silent:
		return nil
	case s.without:
		return []asdu.ASDU{a.Mirror(asdu.UnknownType, true)}
	case a.Cause == asdu.Request:
		return s.directory(asdu.Request)
	}
	answer := s.serving.Receive(filetransfer.Message{Type: a.Type, File: f}, 200)
	add := func(m filetransfer.Message) bool {
		a, err := asdu.DefaultProfile.NewFile(asdu.Header{Type: m.Type, Cause: asdu.FileTransfer, CommonAddress: 3}, m.File)
		if err != nil {
			s.t.Error(err)
		}
		answers = append(answers, a)
		if s.lose > 0 {
			if s.lose--; s.lose == 0 {
				s.lost()
				return false
			}
		}
		return true
	}
	switch {
	case answer.Unknown:
		return []asdu.ASDU{a.Mirror(asdu.UnknownObjectAddress, true)}
	case answer.Message != nil:
		add(*answer.Message)
	case answer.Stream != nil:
		answer.Stream(add)
	}
	return answers
}

// connect runs the fetcher over a connection for a while, or until it's lost.
func (s *station) connect(d time.Duration) {
	ctx, cancel := context.WithTimeout(s.t.Context(), d)
	defer cancel()
	s.mu.Lock()
	s.lost = cancel
	s.serving.Close()
	s.mu.Unlock()
	s.fetcher.Run(ctx, "link", s.send)
}

// asks counts what the device was asked that has words in it.
func (s *station) asks(words string) (n int) {
	for _, a := range s.asked {
		if strings.Contains(a, words) {
			n++
		}
	}
	return n
}

func (s *station) content(address uint32) []byte {
	s.t.Helper()
	f, i, err := s.store.Open(filestore.ID{RTU: 7, Key: key(address)})
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, i.Length)
	if _, err := io.ReadFull(f, b); err != nil {
		s.t.Fatal(err)
	}
	return b
}

// What the device has is fetched once, the newest first; what it tells of by itself, at once.
func TestFilesAreFetchedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t)
		old := s.add(30001, 100_000)
		time.Sleep(time.Minute)
		young := s.add(30002, 17)
		s.connect(time.Minute)
		if !bytes.Equal(s.content(30001), old) || !bytes.Equal(s.content(30002), young) {
			t.Error("the content is another")
		}
		if len(s.faults) != 0 || s.asks("SCQ=0x01") != 2 || !strings.Contains(s.asked[1], "30002 NOF=2") {
			t.Errorf("%q, asked %q", s.faults, s.asked[:2])
		}
		list := s.store.List(7)
		if len(list) != 2 || len(list[0].Sections) != 7 || list[0].Node != "fep1" || asdu.UnpackCP56Time2a(list[0].Time).String() != "2000-01-01 08:00:00.000" {
			t.Errorf("%+v", list)
		}
		s.connect(time.Hour)
		if s.asks("SCQ=0x01") != 2 || s.asks("request") != 1+6 {
			t.Errorf("asked for %d files and %d directories", s.asks("SCQ=0x01"), s.asks("request"))
		}
		time.AfterFunc(10*time.Second, func() {
			s.add(30003, 5)
			s.mu.Lock()
			told := s.directory(asdu.Spontaneous)
			s.mu.Unlock()
			s.fetcher.Receive("link", told[0])
		})
		s.connect(11 * time.Second)
		if len(s.content(30003)) != 5 || s.asks("SCQ=0x01") != 3 {
			t.Errorf("asked for %d files", s.asks("SCQ=0x01"))
		}
	})
}

// A file that has come in part goes on over the next connection with the first section that wasn't whole, unless it has become another.
func TestFilesGoOn(t *testing.T) {
	for _, replaced := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newStation(t)
			content := s.add(30001, 100_000)
			s.lose = 300 // within the fourth section
			s.connect(time.Minute)
			if len(s.store.List(7)) != 0 || s.asks("SCQ=0x06") != 4 {
				t.Fatalf("%d sections were asked for", s.asks("SCQ=0x06"))
			}
			if replaced {
				content = s.add(30001, 99_999)
			}
			s.connect(time.Minute)
			sections := 3 + 1 + 4
			if replaced {
				sections = 4 + 7
			}
			if !bytes.Equal(s.content(30001), content) || s.asks("SCQ=0x06") != sections {
				t.Errorf("%d sections were asked for, expected %d", s.asks("SCQ=0x06"), sections)
			}
		})
	}
}

// A file takes the time that the rate says, so that its link has room for others.
func TestFilesAreFetchedSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t)
		s.add(30001, 1<<20)
		s.connect(startAfter + 15*time.Second)
		if len(s.store.List(7)) != 0 {
			t.Error("a MiB came within 15 s")
		}
		s.connect(startAfter + 2*time.Second)
		if len(s.store.List(7)) != 1 {
			t.Errorf("it isn't there after 17 s: %q", s.faults)
		}
	})
}

// A device that doesn't answer, or has no file transfer, is told of, and asked again after a while.
func TestDevicesThatDoNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t)
		s.silent = true
		s.connect(startAfter + answerWithin + retryAfter + answerWithin + time.Second)
		if len(s.faults) != 2 || s.asks("request") != 2 || !strings.Contains(s.faults[0], "no answer in time") {
			t.Errorf("%q", s.faults)
		}
		s = newStation(t)
		s.without = true
		s.connect(startAfter + period + time.Second)
		if len(s.faults) != 2 || s.asks("request") != 2 || !strings.Contains(s.faults[0], "unknown type") {
			t.Errorf("%q", s.faults)
		}
		s = newStation(t)
		s.add(30001, 10)
		delete(s.made, key(30001))
		s.serving.Open = func(filetransfer.Key) (filetransfer.File, bool) { return filetransfer.File{}, false }
		s.connect(startAfter + time.Second)
		if len(s.faults) != 1 || !strings.Contains(s.faults[0], "file 30001.2") {
			t.Errorf("%q", s.faults)
		}
	})
}
