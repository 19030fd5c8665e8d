// Package carecmd has the commands that look after a station: is the machine as it should be, what does a maintainer need to know,
// and what is kept for the worst day.
package carecmd
