// Package stationcmd has the commands with which a new station is begun: its folder, and a bundle for each of its machines.
package stationcmd
