// Package oracle lets tests ask tshark, a decoder that shares no code with iec104, what it sees
// in a capture: a recorded one, or one written from frames in memory.
//
// It is for tests alone and knows nothing of iec104, so that tests inside that package can use it.
package oracle
