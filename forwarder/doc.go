// Package forwarder is the uplinks of one FEP: the controlled stations (104s) that control centres connect to.
//
// It serves each group of clients the journal's events from the group's cursor, changes of analogs, and answers to
// interrogations from the image; it hands controls to whoever owns the RTU and tells the client what became of them. Who
// may run a group's live link is not decided here: a start is a claim that is committed first.
//
// It never sends what was not committed, never talks to a device, and never keeps a queue of its own: what a client has
// not acknowledged is read from the journal again.
//
// What always holds:
//
//   - A group's events go out in the journal's order, each at least once. After a change of link or node at most one
//     window (k ASDUs) and 256 events are repeated, with the same time tags.
//   - What an interrogation answers is never older than an event sent before it on the same link.
//   - A live link writes only while its tenure (or in dual-active mode this node's lease) is valid.
//   - One command of a client is at most one control in the state.
//   - [Forwarder.Run] returns after every goroutine and connection of the package has ended.
package forwarder
