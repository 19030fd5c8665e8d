// Package sim plays the two neighbours of a station: field devices and a
// control centre. They are real IEC 60870-5-104 peers on real sockets, behave
// by the rules unless told otherwise, and keep count of everything, so that
// they can judge a station: which events were lost, which came twice, what was
// operated how often, how long nothing came.
//
// It knows nothing of fepha's inside, only the protocol.
package sim
