// Package journal answers with what has happened: the events of the journal and the entries of the audit, in their one order,
// as lists and as streams, with filters. Nothing is changed here.
package journal
