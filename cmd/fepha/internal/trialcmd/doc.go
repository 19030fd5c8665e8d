// Package trialcmd has the commands for trying things out: simulated neighbours, and a whole station on one machine.
package trialcmd
