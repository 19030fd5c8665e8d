// Package trace keeps the newest frames of every link, shows them as they go by, and writes them as a capture.
//
// It never holds up a link: who watches too slowly misses frames, and is told how many.
package trace
