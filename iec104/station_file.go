package iec104

import (
	"iter"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/filetransfer"
)

// FileSource has the files that a Station lets be read. Its methods are called as the functions of a Station are, and must not wait
// for anything but a disk.
type FileSource interface {
	// Directory lists the files of a station by address; ok is false if it offers none at all, which is answered as an unknown type.
	Directory(ca asdu.CommonAddress) (entries []asdu.DirectoryEntry, ok bool)

	// Open finds a file of a station; ok is false if there is none.
	Open(ca asdu.CommonAddress, k filetransfer.Key) (f filetransfer.File, ok bool)
}

// file answers the types 122, 124 and 127 (101, clause 7.4.11). The others of file transfer are unknown in this direction, since a
// station's files are only read.
func (st *Station) file(c *Call) error {
	entries, offered := st.Files.Directory(c.CommonAddress)
	if !offered {
		return c.Reject(asdu.UnknownType)
	}
	m, err := c.ASDU.File()
	t := c.ASDU.Type
	switch {
	case err != nil:
		return c.Reject(asdu.UnknownObjectAddress)
	case t == asdu.F_SC_NA_1 && c.ASDU.Cause == asdu.Request && m.Qualifier == 0:
		return st.directory(c, entries, m.Address)
	case c.ASDU.Cause != asdu.FileTransfer && !(t == asdu.F_SC_NB_1 && c.ASDU.Cause == asdu.Request):
		return c.Reject(asdu.UnknownCause)
	case c.ASDU.Test:
		return c.send(c.ASDU.Mirror(c.ASDU.Cause, true))
	}
	s, profile := c.Session, c.Session.cfg.Profile
	if s.files == nil || s.files.ca != c.CommonAddress || s.files.turn != c.turn {
		s.endFile()
		ca := c.CommonAddress
		s.files = &filesRead{ca: ca, turn: c.turn}
		s.files.Open = func(k filetransfer.Key) (filetransfer.File, bool) { return st.Files.Open(ca, k) }
	}
	answer := s.files.Receive(filetransfer.Message{Type: t, File: m}, profile.MaxSegment())
	build := func(m filetransfer.Message) (asdu.ASDU, error) {
		return profile.NewFile(asdu.Header{Type: m.Type, Cause: asdu.FileTransfer, Originator: c.ASDU.Originator, CommonAddress: c.CommonAddress}, m.File)
	}
	switch {
	case answer.Unknown:
		return c.Reject(asdu.UnknownObjectAddress)
	case answer.Refused:
		return c.send(c.ASDU.Mirror(c.ASDU.Cause, true))
	case answer.Message != nil:
		a, err := build(*answer.Message)
		if err != nil {
			return err
		}
		return c.send(a)
	case answer.Stream != nil:
		return s.Stream(built(answer.Stream, build))
	}
	return nil
}

// built makes ASDUs of messages, as they are drawn.
func built(messages iter.Seq[filetransfer.Message], build func(filetransfer.Message) (asdu.ASDU, error)) iter.Seq[asdu.ASDU] {
	return func(yield func(asdu.ASDU) bool) {
		for m := range messages {
			a, err := build(m)
			if err != nil || !yield(a) {
				return
			}
		}
	}
}

// directory answers a request for the directory: of all files, or from the one with the address on.
func (st *Station) directory(c *Call, entries []asdu.DirectoryEntry, from asdu.InformationObjectAddress) error {
	for len(entries) > 0 && entries[0].Address < from {
		entries = entries[1:]
	}
	if len(entries) == 0 { // a directory without entries can't be said
		return c.Reject(asdu.UnknownObjectAddress)
	}
	entries = append([]asdu.DirectoryEntry(nil), entries...)
	entries[len(entries)-1].Status |= asdu.LastFile
	h := asdu.Header{Cause: asdu.Request, Originator: c.ASDU.Originator, Test: c.ASDU.Test, CommonAddress: c.CommonAddress}
	packed, err := c.Session.cfg.Profile.NewDirectories(h, entries)
	if err != nil {
		return err
	}
	return c.Session.Stream(func(yield func(asdu.ASDU) bool) {
		for _, a := range packed {
			if !yield(a) {
				return
			}
		}
	})
}

// filesRead is what a session reads of a station, in one turn of its link.
type filesRead struct {
	filetransfer.Serving
	ca   asdu.CommonAddress
	turn uint64
}

// endFile ends what a session reads. It's the dispatcher's, or called after it has ended.
func (s *Session) endFile() {
	if s.files != nil {
		s.files.Close()
		s.files = nil
	}
}
