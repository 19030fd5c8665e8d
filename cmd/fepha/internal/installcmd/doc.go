// Package installcmd has `fepha node install`, which makes a machine a node of a station.
package installcmd
