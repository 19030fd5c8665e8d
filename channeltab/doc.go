// Package channeltab is FNP: stations of a metro network find each other in a channel table that a centre keeps, and
// send each other data by channel number or by id, over UDP. PROTOCOL.md has it byte for byte.
//
// Centre runs on each of the three nodes. The table is replicated and reached through Registry; the leader alone hears
// and judges the stations, the other nodes pass on what reaches them. Station is the other side, a library for any
// program that takes part: it registers, keeps and saves its copy of the table, sends and receives.
//
// Both are thin shells, with the sockets, timers and goroutines, around a core without any: datagrams, table changes
// and clock readings in, datagrams, proposals and deliveries out. Tests drive the cores through years of faults.
//
// What always holds:
//   - a datagram that is not authentic, not fresh or not well-formed is counted and changes nothing;
//   - what the centre tells of the table was committed;
//   - a message reaches the application at most once, and one that is reported as acknowledged has reached it;
//   - a centre that has just become leader, or has itself stood still, judges no station's silence for a full period;
//   - memory is bounded, whatever arrives.
package channeltab
