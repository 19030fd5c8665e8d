// Package server is a node's window for people and programs: HTTP with JSON, a web
// page, and metrics. Any node answers, from the state that it has applied
// itself; what changes the station is proposed to the group like everything
// else.
//
// It never talks to devices or control centres, and keeps no state of its own.
//
// What always holds:
//   - who may do what is decided in one place, package access;
//   - no secret is logged or answered;
//   - a client that is slow, greedy or gone holds up nobody: bodies, lists,
//     streams and connections are bounded, and nothing is written to a client
//     while the state is looked at;
//   - Server.Close returns after the last request has ended.
//
// routes.go has every route with its rule; a file a subject answers them. Below: access decides who may, trace keeps the links'
// frames, internal/journal answers what has happened and internal/words says it, internal/live tells what changes, and
// internal/rest is what all routes have in common.
package server
