package iec104

// Source feeds one started link: it is asked for the next ASDU only while the
// window has room, so that nothing waits in memory below the application, and
// the application decides the order up to the last moment.
//
// The link calls its methods one at a time. None of them may block or wait
// for the link; they may call [Session.Wake], [Session.Send] and
// [Session.Ack].
type Source interface {
	// Next returns the next ASDU and an index that Acked will report; indices
	// grow in the order of sending. The ASDU is encoded before Next is called
	// again, so it may alias a buffer that is used anew. With ok false there is
	// nothing now: [Session.Wake] makes the link ask again.
	Next() (a ASDU, index uint64, ok bool)

	// Acked tells that the peer has acknowledged everything up to and
	// including the ASDU with this index; several may be told in one call.
	Acked(index uint64)

	// Stopped is the last call: the link was stopped or lost. What was not
	// acknowledged was perhaps not received and has to be sent again on the
	// next started link.
	Stopped(err error)
}
