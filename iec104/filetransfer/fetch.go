package filetransfer

import (
	"errors"
	"fmt"

	"github.com/fepha/fepha/iec104/asdu"
)

// Why a transfer has failed.
var (
	ErrRefused  = errors.New("refused by the station")
	ErrTooLong  = errors.New("longer than is taken")
	ErrSequence = errors.New("not what was expected at this point of the transfer")
	ErrChecksum = errors.New("what came is not what was sent")
	ErrResume   = errors.New("the station doesn't go on with a later section") // the next Begin begins with the first one
)

// maxRepeats is how often a section is asked for again whose sum is wrong, in one file.
const maxRepeats = 3

// Sink takes a file's octets.
type Sink interface {
	Write(p []byte) (int, error)
	Truncate(size int64) error // and goes on writing there
}

// Fetch is the transfer of one file from a controlled station. It takes one message at a time and gives the one that answers it.
// After a lost link [Fetch.Begin] goes on with the first section that isn't there whole.
type Fetch struct {
	key   Key
	limit uint32
	sink  Sink

	state    fetchState
	length   uint32    // LOF, as it was told first; 0: not yet
	sections []section // taken
	taken    uint32    // octets of them
	sum      uint8     // of them

	under   section // under way
	got     uint32  // octets of it
	gotSum  uint8
	repeats int
	skips   bool // the station was asked for a later section than the one it has offered
}

// section is one that was told to be ready.
type section struct {
	number uint8
	length uint32
}

type fetchState uint8

const (
	selecting  fetchState = iota // the file was selected
	calling                      // it was called: its first section is to come
	receiving                    // a section was called
	continuing                   // a section was acknowledged: another one is to come, or the end
	over
)

func (s fetchState) String() string {
	return [...]string{"file ready", "section ready", "segments", "the next section, or the last", "nothing"}[s]
}

// NewFetch prepares to read a file of at most limit octets into a sink, which is empty.
func NewFetch(key Key, limit uint32, sink Sink) *Fetch {
	return &Fetch{key: key, limit: limit, sink: sink, state: over}
}

// Begin selects the file.
func (f *Fetch) Begin() (Message, error) {
	f.state, f.skips = selecting, false
	if err := f.sink.Truncate(int64(f.taken)); err != nil {
		return Message{}, err
	}
	return f.call(asdu.SelectFile, 0), nil
}

// forget makes the next Begin begin with the first section.
func (f *Fetch) forget() {
	f.sections, f.taken, f.sum, f.length = nil, 0, 0, 0
}

// Received is how many octets are there, of sections that aren't whole too.
func (f *Fetch) Received() uint32 { return f.taken + f.got }

// Kept is how many octets are there of whole sections, with which a transfer goes on after a lost link.
func (f *Fetch) Kept() uint32 { return f.taken }

// Sections are the lengths of the sections that were taken, octets.
func (f *Fetch) Sections() (lengths []uint32) {
	for _, s := range f.sections {
		lengths = append(lengths, s.length)
	}
	return lengths
}

// Done tells whether the file is there whole, and its sum was right.
func (f *Fetch) Done() bool { return f.state == over }

// Abort is what ends a transfer that is given up.
func (f *Fetch) Abort() Message { return f.call(asdu.DeactivateFile, 0) }

func (f *Fetch) call(scq, section uint8) Message {
	return Message{asdu.F_SC_NA_1, asdu.File{Address: f.key.Address, Name: f.key.Name, Section: section, Qualifier: scq}}
}

func (f *Fetch) acknowledge(afq, section uint8) Message {
	return Message{asdu.F_AF_NA_1, asdu.File{Address: f.key.Address, Name: f.key.Name, Section: section, Qualifier: afq}}
}

// Concerns tells whether a message is of this file.
func (f *Fetch) Concerns(m Message) bool { return f.key == Key{m.File.Address, m.File.Name} }

// Refused is called when the station has sent a message back: with P/N = 1, or as unknown.
func (f *Fetch) Refused(cause asdu.CauseOfTransmission) error {
	if f.skips {
		f.forget()
		return fmt.Errorf("%w: %v", ErrResume, cause)
	}
	return fmt.Errorf("%w: file %v: %v", ErrRefused, f.key, cause)
}

// Receive takes a message of the station, and gives what answers it; nil: nothing does. After an error the transfer is over, and
// Begin may try again; what is to be sent then is given as well.
func (f *Fetch) Receive(m Message) (answer *Message, err error) {
	unexpected := func() error {
		return fmt.Errorf("%w: file %v: %v of section %d, expected %v", ErrSequence, f.key, m.Type, m.File.Section, f.state)
	}
	var out Message
	switch {
	case m.Type == asdu.F_FR_NA_1 && f.state == selecting:
		out, err = f.fileReady(m.File)
	case m.Type == asdu.F_SR_NA_1 && (f.state == calling || f.state == continuing):
		out, err = f.sectionReady(m.File)
	case m.Type == asdu.F_SG_NA_1 && f.state == receiving:
		return nil, f.segment(m.File)
	case m.Type == asdu.F_LS_NA_1 && m.File.Qualifier == asdu.SectionSent && f.state == receiving:
		out, err = f.sectionSent(m.File)
	case m.Type == asdu.F_LS_NA_1 && m.File.Qualifier == asdu.FileSent && (f.state == continuing || f.state == calling && f.length == 0):
		out, err = f.fileSent(m.File)
	case m.Type == asdu.F_LS_NA_1 && (m.File.Qualifier == asdu.FileDeactivated || m.File.Qualifier == asdu.SectionDeactivated):
		return nil, fmt.Errorf("%w: file %v: ended with section %d", ErrRefused, f.key, m.File.Section)
	case f.state == over, f.state == selecting:
		return nil, nil // of a transfer that was given up
	default:
		return nil, unexpected()
	}
	if out.Type == 0 {
		return nil, err
	}
	return &out, err
}

func (f *Fetch) fileReady(m asdu.File) (Message, error) {
	switch {
	case m.Qualifier&asdu.NotReady != 0:
		return Message{}, fmt.Errorf("%w: file %v is not ready", ErrRefused, f.key)
	case m.Length > f.limit:
		return f.Abort(), fmt.Errorf("%w: file %v has %d octets, at most %d are", ErrTooLong, f.key, m.Length, f.limit)
	case f.length != m.Length && f.taken > 0:
		f.forget() // it has become another
		if err := f.sink.Truncate(0); err != nil {
			return Message{}, err
		}
	}
	f.length, f.state = m.Length, calling
	if n := len(f.sections); n > 0 && f.taken >= f.length {
		// All was there but the sum of the file, which comes after the last section.
		f.forget()
		if err := f.sink.Truncate(0); err != nil {
			return Message{}, err
		}
		f.length = m.Length
	}
	return f.call(asdu.CallFile, 0), nil
}

func (f *Fetch) sectionReady(m asdu.File) (Message, error) {
	want, any := f.next()
	switch {
	case m.Qualifier&asdu.NotReady != 0 && f.skips:
		return Message{}, f.Refused(asdu.FileTransfer)
	case m.Qualifier&asdu.NotReady != 0:
		return Message{}, fmt.Errorf("%w: section %d of file %v is not ready", ErrRefused, m.Section, f.key)
	case any || m.Section == want:
	case f.state == calling && !f.skips && m.Section < want:
		f.skips = true // the sections before are there already
		return f.call(asdu.SelectSection, want), nil
	case f.skips:
		return f.Abort(), f.Refused(asdu.FileTransfer)
	default:
		return f.Abort(), fmt.Errorf("%w: file %v: section %d is ready, expected %d", ErrSequence, f.key, m.Section, want)
	}
	if m.Length > f.limit-f.taken {
		return f.Abort(), fmt.Errorf("%w: section %d of file %v has %d octets more, at most %d are", ErrTooLong, m.Section, f.key, m.Length, f.limit-f.taken)
	}
	f.under, f.got, f.gotSum, f.state = section{m.Section, m.Length}, 0, 0, receiving
	f.skips = false
	return f.call(asdu.CallSection, m.Section), nil
}

// next is the number of the section to come; any: the first one, which may have any.
func (f *Fetch) next() (number uint8, any bool) {
	if len(f.sections) == 0 {
		return 0, true
	}
	return f.sections[len(f.sections)-1].number + 1, false
}

func (f *Fetch) segment(m asdu.File) error {
	switch {
	case m.Section != f.under.number:
		return fmt.Errorf("%w: file %v: a segment of section %d, expected %d", ErrSequence, f.key, m.Section, f.under.number)
	case uint32(len(m.Segment)) > f.under.length-f.got:
		return fmt.Errorf("%w: section %d of file %v was said to have %d octets", ErrTooLong, m.Section, f.key, f.under.length)
	}
	if _, err := f.sink.Write(m.Segment); err != nil {
		return err
	}
	f.got += uint32(len(m.Segment))
	f.gotSum = asdu.Checksum(f.gotSum, m.Segment)
	return nil
}

func (f *Fetch) sectionSent(m asdu.File) (Message, error) {
	if m.Section != f.under.number {
		return Message{}, fmt.Errorf("%w: file %v: the end of section %d, expected %d", ErrSequence, f.key, m.Section, f.under.number)
	}
	f.state = continuing
	if f.got != f.under.length || f.gotSum != m.Checksum {
		err := fmt.Errorf("%w: section %d of file %v: %d octets with sum %d, expected %d with %d",
			ErrChecksum, m.Section, f.key, f.got, f.gotSum, f.under.length, m.Checksum)
		f.got = 0
		if bad := f.sink.Truncate(int64(f.taken)); bad != nil {
			return Message{}, bad
		}
		if f.repeats++; f.repeats > maxRepeats {
			return f.Abort(), err
		}
		return f.acknowledge(asdu.SectionRefused|asdu.ChecksumFailed, m.Section), nil
	}
	f.sections = append(f.sections, f.under)
	f.taken += f.got
	f.sum += f.gotSum
	f.got = 0
	return f.acknowledge(asdu.SectionTaken, m.Section), nil
}

func (f *Fetch) fileSent(m asdu.File) (Message, error) {
	if f.taken != f.length || f.sum != m.Checksum {
		err := fmt.Errorf("%w: file %v: %d octets with sum %d, expected %d with %d", ErrChecksum, f.key, f.taken, f.sum, f.length, m.Checksum)
		f.forget()
		return f.acknowledge(asdu.FileRefused|asdu.ChecksumFailed, m.Section), err
	}
	f.state = over
	return f.acknowledge(asdu.FileTaken, m.Section), nil
}
