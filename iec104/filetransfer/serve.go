package filetransfer

import (
	"io"
	"iter"
	"sync/atomic"

	"github.com/fepha/fepha/iec104/asdu"
)

// Section lengths of a file that doesn't say which it has: sections of defaultSection octets, or longer ones where there would
// be more than NOS can number.
const (
	defaultSection = 16 << 10
	maxSections    = 255
)

// File is a file to be read.
type File struct {
	Content  io.ReaderAt
	Length   uint32          // octets, at most asdu.MaxFile
	Sections []uint32        // their lengths; nil: as suits
	Time     asdu.CP56Time2a // when it was created
	Close    func()          // nil: nothing is to be closed
}

// Serving is what one controlling station reads, one file at a time. Open finds a file; ok is false if there is none.
type Serving struct {
	Open func(Key) (f File, ok bool)

	key    Key
	file   *File // nil: none is selected
	called bool
	ready  int          // section that was said to be ready, from 1; 0: none
	sent   int          // section whose octets are sent, or on their way; 0: none
	ended  bool         // its last section was told
	live   *atomic.Bool // whether the section that is sent is still wanted; asked by whoever draws it
}

// Answer is what a message of the controlling station is answered with: a message, or those that Stream yields as they can be sent, or
// none.
type Answer struct {
	Message *Message
	Stream  iter.Seq[Message]
	Unknown bool // no such file: the message goes back with cause 47
	Refused bool // it's not done: the message goes back with P/N = 1
}

// Close ends the transfer.
func (s *Serving) Close() {
	s.stop()
	if s.file != nil && s.file.Close != nil {
		s.file.Close()
	}
	*s = Serving{Open: s.Open}
}

// stop ends the section that is sent.
func (s *Serving) stop() {
	if s.live != nil {
		s.live.Store(false)
	}
}

// Receive answers a message of type 122, 124 or 127, but for a request of the directory. segment is how many octets a segment may have.
func (s *Serving) Receive(m Message, segment int) Answer {
	k := Key{m.File.Address, m.File.Name}
	scq := m.File.Qualifier & 0x0f
	switch {
	case m.Type == asdu.F_SC_NB_1, m.Type == asdu.F_SC_NA_1 && scq == asdu.SelectFile:
		return s.selected(m, k)
	case m.Type == asdu.F_SC_NA_1 && scq == asdu.DeleteFile:
		return Answer{Refused: true} // files are only read
	case s.file == nil || k != s.key:
		if m.Type == asdu.F_AF_NA_1 {
			return Answer{} // of a transfer that's over
		}
		return Answer{Refused: true}
	case m.Type == asdu.F_AF_NA_1:
		return s.acknowledged(m.File)
	}
	switch scq {
	case asdu.CallFile:
		s.called = true
		return s.offer(1)
	case asdu.SelectSection:
		if s.called {
			return s.offer(int(m.File.Section))
		}
	case asdu.CallSection:
		if s.ready != 0 && int(m.File.Section) == s.ready {
			s.sent, s.ready = s.ready, 0
			return Answer{Stream: s.section(s.sent, segment)}
		}
	case asdu.DeactivateFile:
		s.Close()
		return Answer{}
	case asdu.DeactivateSection:
		s.stop()
		s.ready, s.sent = 0, 0
		return Answer{}
	}
	return Answer{Refused: true}
}

// selected answers the selection of a file, or the query of one that was created in a span of time.
func (s *Serving) selected(m Message, k Key) Answer {
	s.Close()
	f, ok := s.Open(k)
	if !ok {
		return Answer{Unknown: true}
	}
	reply := Message{asdu.F_FR_NA_1, asdu.File{Address: k.Address, Name: k.Name, Length: f.Length}}
	if m.Type == asdu.F_SC_NB_1 && (before(f.Time, m.File.From) || before(m.File.To, f.Time)) {
		if f.Close != nil {
			f.Close()
		}
		reply.File.Length, reply.File.Qualifier = 0, asdu.NotReady
		return Answer{Message: &reply}
	}
	if f.Sections == nil {
		f.Sections = divide(f.Length)
	}
	s.key, s.file = k, &f
	return Answer{Message: &reply}
}

// before compares two readings of one clock; the day of the week and flags don't count.
func before(a, b asdu.CP56Time2a) bool {
	order := func(t asdu.CP56Time2a) (n uint64) {
		for _, octet := range []byte{t[6] & 0x7f, t[5] & 0x0f, t[4] & 0x1f, t[3] & 0x1f, t[2] & 0x3f, t[1], t[0]} {
			n = n<<8 | uint64(octet)
		}
		return n
	}
	return order(a) < order(b)
}

// divide makes sections of a file.
func divide(length uint32) (sections []uint32) {
	size := max(defaultSection, (length+maxSections-1)/maxSections)
	for left := length; left > 0; {
		n := min(size, left)
		sections, left = append(sections, n), left-n
	}
	return sections
}

// offer says that a section is ready, or that the last one was sent.
func (s *Serving) offer(number int) Answer {
	reply := Message{asdu.F_SR_NA_1, asdu.File{Address: s.key.Address, Name: s.key.Name, Section: uint8(number)}}
	switch {
	case number >= 1 && number <= len(s.file.Sections):
		s.ready = number
		reply.File.Length = s.file.Sections[number-1]
	case number == len(s.file.Sections)+1 && (s.sent == len(s.file.Sections)):
		sum, err := s.sum()
		if err != nil {
			return s.fails()
		}
		s.ended = true
		reply.Type, reply.File.Section, reply.File.Qualifier, reply.File.Checksum = asdu.F_LS_NA_1, uint8(number-1), asdu.FileSent, sum
	default:
		reply.File.Qualifier = asdu.NotReady
	}
	return Answer{Message: &reply}
}

// fails ends a transfer whose file can't be read any more.
func (s *Serving) fails() Answer {
	reply := Message{asdu.F_LS_NA_1, asdu.File{Address: s.key.Address, Name: s.key.Name, Section: uint8(s.sent), Qualifier: asdu.FileDeactivated}}
	s.Close()
	return Answer{Message: &reply}
}

func (s *Serving) acknowledged(m asdu.File) Answer {
	switch afq := m.Qualifier & 0x0f; {
	case afq == asdu.FileTaken && s.ended, afq == asdu.FileRefused:
		s.Close()
	case afq == asdu.SectionTaken && s.sent != 0 && int(m.Section) == s.sent:
		return s.offer(s.sent + 1)
	case afq == asdu.SectionRefused && s.sent != 0 && int(m.Section) == s.sent:
		return s.offer(s.sent) // once more
	}
	return Answer{}
}

// offset is where a section begins.
func (s *Serving) offset(number int) (at uint32) {
	for _, n := range s.file.Sections[:number-1] {
		at += n
	}
	return at
}

// section yields the segments of a section and its end. It reads as it is drawn from; the transfer may be over by then.
func (s *Serving) section(number, segment int) iter.Seq[Message] {
	s.stop()
	live := new(atomic.Bool)
	live.Store(true)
	s.live = live
	f, at, left := s.file, int64(s.offset(number)), int(s.file.Sections[number-1])
	object := asdu.File{Address: s.key.Address, Name: s.key.Name, Section: uint8(number)}
	return func(yield func(Message) bool) {
		var sum uint8
		buffer := make([]byte, segment)
		for left > 0 {
			b := buffer[:min(segment, left)]
			if !live.Load() {
				return
			}
			m := Message{asdu.F_SG_NA_1, object}
			if n, _ := f.Content.ReadAt(b, at); n < len(b) {
				m.Type, m.File.Qualifier = asdu.F_LS_NA_1, asdu.SectionDeactivated
				yield(m)
				return
			}
			sum = asdu.Checksum(sum, b)
			m.File.Segment = b
			if !yield(m) {
				return
			}
			at, left = at+int64(len(b)), left-len(b)
		}
		end := object
		end.Qualifier, end.Checksum = asdu.SectionSent, sum
		if live.Load() {
			yield(Message{asdu.F_LS_NA_1, end})
		}
	}
}

// sum is that of the whole file.
func (s *Serving) sum() (sum uint8, err error) {
	buffer := make([]byte, 32<<10)
	for at := uint32(0); at < s.file.Length; {
		b := buffer[:min(uint32(len(buffer)), s.file.Length-at)]
		if n, err := s.file.Content.ReadAt(b, int64(at)); n < len(b) {
			return 0, err
		}
		sum = asdu.Checksum(sum, b)
		at += uint32(len(b))
	}
	return sum, nil
}
