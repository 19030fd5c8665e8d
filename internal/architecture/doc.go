// Package architecture holds the code to the tables of ARCHITECTURE.md. It has tests alone.
package architecture
