// Package cli is what the commands of fepha have in common: how they reach a node, what they print, and how they end.
package cli
