package iec104

// Counters count the frames and octets of a link, or of all links of a server.
type Counters struct {
	ReceivedI, ReceivedS, ReceivedU uint64
	SentI, SentS, SentU             uint64
	ReceivedOctets, SentOctets      uint64
	Malformed                       uint64 // I-frames whose ASDU was rejected: not delivered, not even in part
}

// received is the number of frames of all formats.
func (c *Counters) received() uint64 { return c.ReceivedI + c.ReceivedS + c.ReceivedU }

func (c *Counters) add(o Counters) {
	c.ReceivedI += o.ReceivedI
	c.ReceivedS += o.ReceivedS
	c.ReceivedU += o.ReceivedU
	c.SentI += o.SentI
	c.SentS += o.SentS
	c.SentU += o.SentU
	c.ReceivedOctets += o.ReceivedOctets
	c.SentOctets += o.SentOctets
	c.Malformed += o.Malformed
}

// ServerCounters count since NewServer.
type ServerCounters struct {
	Counters                   // of all sessions, ended ones included
	Accepted uint64            // connections that became a session
	Refused  map[string]uint64 // the others, by Reason
	Closed   map[string]uint64 // sessions that have ended, by Reason
}
