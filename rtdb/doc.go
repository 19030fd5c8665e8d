// Package rtdb is the view of the station in Redis, and the way by which controls come from there.
//
// What is published is a function of the replicated state alone: owners, values, virtual points, links. The package
// follows the state and writes what has changed; whenever it can't know what the server holds (a connection was lost,
// the configuration changed, changes came faster than they could be written) it writes everything again. Requests in the
// stream ctl:req become controls of the state; what became of them is told in ctl:res.
//
// It never delays a commit, never decides anything, and never reads a value back: a server that is gone, slow, full or
// wrong costs the view and nothing else.
//
// What always holds:
//
//   - A key is written from what is committed, and never from an older state than it was written from before by the same
//     node. In mode shared that holds for all nodes: the server compares epochs before it lets a batch in.
//   - What waits to be written is kept as keys of points, 65,536 at most, never as values.
//   - An entry of ctl:req is at most one control (and one selection before it), whichever node reads it how often, and
//     has at most one entry in ctl:res.
//   - [Publisher.Run] returns after every goroutine and connection of the package has ended.
package rtdb
