package filetransfer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/filetransfer/filetransfertest"
	"github.com/fepha/fepha/internal/transcript"
)

func served(key Key, content []byte, sections ...uint32) *Serving {
	return &Serving{Open: func(k Key) (File, bool) {
		return File{Content: bytes.NewReader(content), Length: uint32(len(content)), Sections: sections, Time: asdu.CP56Time2a{0, 0, 30, 12, 5, 7, 26}}, k == key
	}}
}

// words are a message's, as iec104 explains it.
func words(m Message) string {
	a, err := asdu.DefaultProfile.NewFile(asdu.Header{Type: m.Type, Cause: asdu.FileTransfer, CommonAddress: 1}, m.File)
	if err != nil {
		return err.Error()
	}
	return strings.Replace(a.String(), " file transfer CA=1", "", 1)
}

// all is what an answer has, in words, one a line.
func all(a Answer) string {
	switch {
	case a.Unknown:
		return "<- unknown object address\n"
	case a.Refused:
		return "<- refused\n"
	case a.Message != nil:
		return "<- " + words(*a.Message) + "\n"
	case a.Stream == nil:
		return "<- nothing\n"
	}
	var b strings.Builder
	for m := range a.Stream {
		b.WriteString("<- " + words(m) + "\n")
	}
	return b.String()
}

// TestServing plays what a control centre may ask: lines are TYPE name=NOF section=NOS q=QUALIFIER of file 30001.2, which has ten
// octets in sections of six and four, in segments of four.
func TestServing(t *testing.T) {
	types := map[string]asdu.TypeID{"SC": asdu.F_SC_NA_1, "AF": asdu.F_AF_NA_1, "QUERY": asdu.F_SC_NB_1}
	transcript.Play(t, "testdata/serving*.txt", func(t *testing.T) func(string) (string, error) {
		s := served(Key{30001, 2}, []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 255}, 6, 4)
		return func(line string) (string, error) {
			var what string
			m := Message{File: asdu.File{Address: 30001}}
			var from, to uint8
			if _, err := fmt.Sscanf(line, "QUERY %d to %d", &from, &to); err == nil {
				m.Type, m.File.Name = asdu.F_SC_NB_1, 2
				m.File.From, m.File.To = asdu.CP56Time2a{0, 0, from, 12, 5, 7, 26}, asdu.CP56Time2a{0, 0, to, 12, 5, 7, 26}
			} else if _, err := fmt.Sscanf(line, "%s %d.%d q=0x%x", &what, &m.File.Name, &m.File.Section, &m.File.Qualifier); err != nil {
				return "", err
			} else {
				m.Type = types[what]
			}
			return words(m) + "\n" + all(s.Receive(m, 4)), nil
		}
	})
}

// link is what lies between the two: it may lose the connection or damage a segment.
type link struct {
	lose, damage func() bool
}

var errLost = errors.New("link lost")

// run fetches on one connection until the file is there, or an error.
func (l link) run(f *Fetch, s *Serving) error {
	s.Close() // another connection knows of no transfer
	out, err := f.Begin()
	for err == nil {
		if l.lose() {
			return errLost
		}
		a := s.Receive(out, 7)
		var next *Message
		take := func(m Message) error {
			if l.lose() {
				return errLost
			}
			if m.Type == asdu.F_SG_NA_1 && l.damage() {
				m.File.Segment = bytes.Clone(m.File.Segment)
				m.File.Segment[0]++
			}
			answer, err := f.Receive(m)
			if answer != nil {
				next = answer
			}
			return err
		}
		switch {
		case a.Unknown || a.Refused:
			return f.Refused(asdu.UnknownObjectAddress)
		case a.Message != nil:
			err = take(*a.Message)
		case a.Stream != nil:
			for m := range a.Stream {
				if err = take(m); err != nil {
					break
				}
			}
		}
		if f.Done() {
			return nil
		}
		if err == nil && next == nil {
			return errors.New("nothing comes any more")
		}
		if next != nil {
			out = *next
		}
	}
	return err
}

// Whatever the link does, the file comes whole and unchanged, or not at all; what was there whole isn't sent again.
func TestTransfer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "content")
		var sections []uint32
		for left := len(content); left > 0; {
			n := rapid.IntRange(1, left).Draw(t, "section")
			sections, left = append(sections, uint32(n)), left-n
		}
		if rapid.Bool().Draw(t, "undivided") {
			sections = nil
		}
		faults := rapid.IntRange(0, 5).Draw(t, "faults")
		fault := func(name string) func() bool {
			return func() bool {
				if faults == 0 || rapid.IntRange(0, 9).Draw(t, name) != 0 {
					return false
				}
				faults--
				return true
			}
		}
		var got filetransfertest.Memory
		f, s := NewFetch(Key{5, 1}, 300, &got), served(Key{5, 1}, content, sections...)
		l := link{fault("lost"), fault("damaged")}
		for range 20 {
			before := f.Kept()
			err := l.run(f, s)
			if err == nil {
				if !bytes.Equal(got.Bytes(), content) {
					t.Fatalf("got % x, sent % x", got.Bytes(), content)
				}
				return
			}
			whole := int(before) == len(content) // but the file's sum, which comes after it: all is asked for again
			if errors.Is(err, errLost) && f.Kept() < before && f.Kept() > 0 && !whole {
				t.Fatalf("%d octets were there, now %d are", before, f.Kept())
			}
		}
		t.Fatal("not there after 20 connections")
	})
}

// After a lost link a transfer goes on with the first section that isn't there; a station that can't do so is asked for all.
func TestResumption(t *testing.T) {
	content := bytes.Repeat([]byte{1, 2, 3}, 100)
	for _, refuses := range []bool{false, true} {
		var got filetransfertest.Memory
		s := served(Key{5, 1}, content, 100, 100, 100)
		f := NewFetch(Key{5, 1}, 300, &got)
		n := 0
		lost := link{lose: func() bool { n++; return n == 40 }, damage: func() bool { return false }}
		if err := lost.run(f, s); !errors.Is(err, errLost) || f.Kept() != 100 {
			t.Fatalf("%v, %d octets", err, f.Kept())
		}
		sent := 0
		good := link{lose: func() bool { sent++; return false }, damage: func() bool { return false }}
		if refuses {
			open := s.Open
			s.Open = func(k Key) (File, bool) { s.called = false; return open(k) }
			m, _ := f.Begin()
			answer, _ := f.Receive(*s.Receive(m, 7).Message)
			answer, _ = f.Receive(*s.Receive(*answer, 7).Message)
			if answer.File.Qualifier != asdu.SelectSection || answer.File.Section != 2 {
				t.Fatalf("%+v", answer)
			}
			if err := f.Refused(asdu.UnknownCause); !errors.Is(err, ErrResume) || f.Kept() != 0 {
				t.Fatalf("%v, %d octets", err, f.Kept())
			}
		}
		if err := good.run(f, s); err != nil || !bytes.Equal(got.Bytes(), content) {
			t.Fatalf("%v, %d octets", err, got.Len())
		}
		if whole := sent > 50; whole != refuses {
			t.Errorf("refuses %v: %d messages", refuses, sent)
		}
	}
}

func TestFetchRefuses(t *testing.T) {
	ready := func(f asdu.File) Message { return Message{asdu.F_FR_NA_1, f} }
	section := func(n uint8, length uint32) Message {
		return Message{asdu.F_SR_NA_1, asdu.File{Address: 5, Name: 1, Section: n, Length: length}}
	}
	segment := func(n uint8, octets ...byte) Message {
		return Message{asdu.F_SG_NA_1, asdu.File{Address: 5, Name: 1, Section: n, Segment: octets}}
	}
	last := func(q, n, sum uint8) Message {
		return Message{asdu.F_LS_NA_1, asdu.File{Address: 5, Name: 1, Section: n, Qualifier: q, Checksum: sum}}
	}
	file := ready(asdu.File{Address: 5, Name: 1, Length: 3})
	for _, c := range []struct {
		what string
		give []Message
		want error
	}{
		{"not ready", []Message{ready(asdu.File{Address: 5, Name: 1, Qualifier: asdu.NotReady})}, ErrRefused},
		{"too long", []Message{ready(asdu.File{Address: 5, Name: 1, Length: 11})}, ErrTooLong},
		{"a section too long", []Message{file, section(1, 11)}, ErrTooLong},
		{"more than the section has", []Message{file, section(1, 3), segment(1, 1, 2), segment(1, 3, 4)}, ErrTooLong},
		{"another section's", []Message{file, section(1, 3), segment(2, 1)}, ErrSequence},
		{"no section", []Message{file, segment(1, 1)}, ErrSequence},
		{"an end that is too early", []Message{file, last(asdu.FileSent, 1, 0)}, ErrSequence},
		{"ended", []Message{file, section(1, 3), last(asdu.SectionDeactivated, 1, 0)}, ErrRefused},
		{"less than the file has", []Message{file, section(1, 2), segment(1, 1, 2), last(asdu.SectionSent, 1, 3), last(asdu.FileSent, 1, 3)}, ErrChecksum},
		{"another sum of the file", []Message{file, section(1, 3), segment(1, 1, 2, 3), last(asdu.SectionSent, 1, 6), last(asdu.FileSent, 1, 7)}, ErrChecksum},
		{"a wrong sum again and again", []Message{file, section(1, 1), segment(1, 1), last(asdu.SectionSent, 1, 2), section(1, 1), segment(1, 1), last(asdu.SectionSent, 1, 2),
			section(1, 1), segment(1, 1), last(asdu.SectionSent, 1, 2), section(1, 1), segment(1, 1), last(asdu.SectionSent, 1, 2)}, ErrChecksum},
		{"a section left out", []Message{file, section(1, 1), segment(1, 1), last(asdu.SectionSent, 1, 1), section(3, 1)}, ErrSequence},
	} {
		t.Run(c.what, func(t *testing.T) {
			f := NewFetch(Key{5, 1}, 10, new(filetransfertest.Memory))
			if _, err := f.Begin(); err != nil {
				t.Fatal(err)
			}
			for i, m := range c.give {
				_, err := f.Receive(m)
				if end := i == len(c.give)-1; end && !errors.Is(err, c.want) || !end && err != nil {
					t.Fatalf("message %d: %v, want %v", i, err, c.want)
				}
			}
			if f.Done() {
				t.Error("done")
			}
		})
	}
}

// A file of the greatest length has no more sections than can be numbered.
func TestDivide(t *testing.T) {
	for _, length := range []uint32{0, 1, defaultSection, defaultSection + 1, 255 * defaultSection, 255*defaultSection + 1, asdu.MaxFile} {
		var sum uint32
		sections := divide(length)
		for _, n := range sections {
			sum += n
		}
		if len(sections) > maxSections || sum != length {
			t.Errorf("%d octets: %d sections of %d", length, len(sections), sum)
		}
	}
}

// A file that can't be read any more ends the transfer, and nothing else is sent for it.
func TestServingABrokenFile(t *testing.T) {
	s := &Serving{Open: func(Key) (File, bool) {
		return File{Content: io.NewSectionReader(strings.NewReader("abc"), 0, 2), Length: 3}, true
	}}
	f := NewFetch(Key{5, 1}, 10, new(filetransfertest.Memory))
	if err := (link{func() bool { return false }, func() bool { return false }}).run(f, s); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
}

func TestKey(t *testing.T) {
	if k, err := ParseKey("30001.2"); err != nil || k != (Key{30001, 2}) || k.String() != "30001.2" {
		t.Errorf("%v, %v", k, err)
	}
	for _, bad := range []string{"", "30001", "30001.", "30001.2x", " 1.2", "01.2", "1.70000", "../etc"} {
		if k, err := ParseKey(bad); err == nil {
			t.Errorf("%q is %v", bad, k)
		}
	}
}
