// Package journalcmd has the commands that show what has happened: events, and the audit.
package journalcmd
