// Package api is a node's window for people and programs: HTTP with JSON, a web
// page, and metrics. Any node answers, from the state that it has applied
// itself; what changes the station is proposed to the group like everything
// else.
//
// It never talks to devices or control centres, and keeps no state of its own.
// Who may do what is decided in one place, authorise.
package api
