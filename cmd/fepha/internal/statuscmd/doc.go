// Package statuscmd has the commands that say how the station is, for people and for monitoring.
package statuscmd
