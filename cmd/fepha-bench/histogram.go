package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
)

// histogram counts gaps by bins of equal width from 0 on.
type histogram struct {
	width  float64 // ms
	counts []int
}

// maxBins is how many bins are shown at most.
const maxBins = 24

// newHistogram chooses the narrowest of the widths 1, 2, 5, 10, ... ms at which
// no more than maxBins bins lie between the shortest gap and the longest.
func newHistogram(gaps []float64) histogram {
	h := histogram{width: 1}
	if len(gaps) == 0 {
		return h
	}
	shortest, longest := slices.Min(gaps), slices.Max(gaps)
	for i := 1; math.Floor(longest/h.width)-math.Floor(shortest/h.width) >= maxBins; i++ {
		h.width = math.Pow10(i/3) * []float64{1, 2, 5}[i%3]
	}
	h.counts = make([]int, int(longest/h.width)+1)
	for _, g := range gaps {
		h.counts[int(g/h.width)]++
	}
	return h
}

// first is the first bin that has something.
func (h histogram) first() int {
	return max(0, slices.IndexFunc(h.counts, func(n int) bool { return n > 0 }))
}

// print draws a line for each bin from the first that has something.
func (h histogram) print(out io.Writer) {
	const longest = 50
	most := 1
	for _, n := range h.counts {
		most = max(most, n)
	}
	for i := h.first(); i < len(h.counts); i++ {
		n := h.counts[i]
		bar := strings.Repeat("█", (n*longest+most-1)/most)
		fmt.Fprintf(out, "%5.0f to %5.0f ms %4d %s\n", float64(i)*h.width, float64(i+1)*h.width, n, bar)
	}
}

// svg draws the same as a picture, with a line at each of some marks.
func (h histogram) svg(out io.Writer, title string, marks map[string]float64) {
	const left, top, wide, high, foot = 40, 50, 640, 200, 40
	first := h.first()
	bins, most := max(1, len(h.counts)-first), 1
	for _, n := range h.counts {
		most = max(most, n)
	}
	x := func(ms float64) float64 { return left + (ms/h.width-float64(first))*wide/float64(bins) }
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">
<rect width="100%%" height="100%%" fill="white"/>
<text x="%d" y="18" font-size="13">%s</text>
`, left+wide+20, top+high+foot, left, title)
	for i := first; i < len(h.counts); i++ {
		tall := float64(h.counts[i]) * high / float64(most)
		fmt.Fprintf(out, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="#4878a8"/>`+"\n",
			x(float64(i)*h.width)+1, top+high-tall, float64(wide)/float64(bins)-2, tall)
	}
	for i := first; i <= len(h.counts); i += max(1, bins/8) {
		fmt.Fprintf(out, `<text x="%.1f" y="%d" text-anchor="middle">%.0f ms</text>`+"\n", x(float64(i)*h.width), top+high+16, float64(i)*h.width)
	}
	fmt.Fprintf(out, `<text x="%d" y="%d" text-anchor="end">%d</text><text x="%d" y="%d" text-anchor="end">0</text>`+"\n", left-6, top+8, most, left-6, top+high)
	row := 0
	for _, name := range slices.Sorted(maps.Keys(marks)) {
		at := x(marks[name])
		fmt.Fprintf(out, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#b03030" stroke-dasharray="4 3"/><text x="%.1f" y="%d" fill="#b03030">%s %.0f</text>`+"\n",
			at, at, top-4, top+high, at+3, top-8+row*12, name, marks[name])
		row++
	}
	fmt.Fprintln(out, "</svg>")
}
