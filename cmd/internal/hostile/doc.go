// Package hostile has the neighbours that a station could do without: a device that babbles and breaks the protocol, clients that
// flood and never acknowledge, a source of forged datagrams, callers of the API who have no credentials, and a
// program beside a FEP that abuses its Redis.
//
// Each is bounded in rate and in what it keeps open, reaches no address but those of its Ground, counts what it did, and ends
// with its context; nothing that it has started outlives it. They prove nothing by themselves: the good neighbours beside them
// judge the station.
package hostile
