// Package chantable holds the rules of the FNP channel table: which station has which channel number, who is online,
// and what a copy of the table knows.
//
// Table is the table that counts; it lives in the replicated state and changes by Command alone. Copy is what a
// station or a centre node holds of it; it changes by Page alone. Judge is the one place that decides between two
// stations that claim one id.
//
// The package has no clock, no chance, no I/O and no goroutine: times come in as Unix milliseconds, and equal commands
// in equal order make equal tables, bit for bit. It imports nothing but the standard library.
//
// What always holds of a Table:
//   - an id stands in one entry at most, and keeps its channel number until it is removed;
//   - each change of an entry takes the next version, so the entries in order of Changed tell all that happened since
//     any version, and a removed entry stays as an empty one that says so;
//   - a new station gets the lowest free channel number.
package chantable
