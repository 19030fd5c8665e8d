// Package fnpcmd has the commands about FNP: the table of channels, its stations, and a station to run.
package fnpcmd
