// Package server is a node's window for people and programs: HTTP with JSON, a web
// page, and metrics. Any node answers, from the state that it has applied
// itself; what changes the station is proposed to the group like everything
// else.
//
// It never talks to devices or control centres, and keeps no state of its own.
//
// What always holds:
//   - who may do what is decided in one place, authorise; without keys only
//     whoever is on this host may;
//   - what changes something is a POST, and is never done for another site's
//     page;
//   - no secret is logged or answered;
//   - a client that is slow, greedy or gone holds up nobody: bodies, lists,
//     streams and connections are bounded, and nothing is written to a client
//     while the state is looked at;
//   - Server.Close returns after the last request has ended.
package server
