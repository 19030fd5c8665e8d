// Package channeltab is FNP: stations of a metro network find each other in a channel table that a centre keeps, and
// send each other data by channel number or by id, over UDP. PROTOCOL.md has it byte for byte.
//
// Centre runs on each of the three nodes. The table is replicated and reached through Registry; the leader alone hears
// and judges the stations, the other nodes pass on what reaches them. Station is the other side, a library for any
// program that takes part: it registers, keeps and saves its copy of the table, sends and receives.
//
// What always holds:
//   - a datagram that is not authentic, not fresh or not well-formed is counted and changes nothing;
//   - what the centre tells of the table was committed;
//   - a message reaches the application at most once, and one that is reported as acknowledged has reached it;
//   - a centre that has just become leader, or has itself stood still, judges no station's silence for a full period;
//   - memory is bounded, whatever arrives.
//
// # The floors
//
// Each imports only those below it.
//
//	channeltab       sockets, timers and goroutines around the cores; the registry in the group's state; the files
//	  internal/core  what is decided, without any of these: datagrams, table changes and clock readings in; datagrams,
//	                 proposals and deliveries out. Tests drive the cores through years of faults.
//	    internal/udp   a station's or centre's own socket and the multicast group's
//	    internal/wire  a datagram as values and as authenticated octets, and the keys
//	fsm/chantable    the rules of the table itself
//
// # The files
//
//	centre.go                a node of the centre: Centre
//	station.go               a station: Station; station_config.go what it is told, copyfile.go what it saves
//	endpoint.go              the pair's endpoint: a station that runs where its resource is owned
//	replicated.go            the table in the group's state as a Registry; mailbox.go what the endpoint keeps there
//	api.go, errors.go        names of the floors below that users need
//
//	core/centre.go           the centre: who is heard, what is handed on to the leader
//	core/centre_claims.go    Registers and Leaves become proposals, results become answers; silence is judged
//	core/centre_table.go     which part of the table is sent when, within the rates
//	core/centre_higher.go    another centre of a higher level: deferring to it
//	core/station.go          a station: dispatch, and what falls due
//	core/registration.go     its dealings with the centre
//	core/follow.go           its copy of the table: what is missing, when to ask
//	core/pool.go             messages sent and not yet acknowledged
//	core/inbox.go            messages received: put together, delivered once
//	core/admission.go        each datagram of a sender once, none from before; core/contact.go the sender's side of that
//
// channeltabtest has a table without a group, and a fleet of many stations behind one socket.
package channeltab
