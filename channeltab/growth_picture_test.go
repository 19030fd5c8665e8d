package channeltab

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"time"
)

func growthTable(points []growthPoint) string {
	text := fmt.Sprintf("Measured %s, %s, %d cores, load %s.\n\n", time.Now().UTC().Format(time.DateOnly), runtime.Version(), runtime.NumCPU(), loadAverage())
	text += "| stations | CPU of the centre | memory | Registers answered | multicast at rest | multicast, busiest second of the start | a change in half of the copies | … in every copy |\n"
	text += "|---:|---:|---:|---:|---:|---:|---:|---:|\n"
	for _, p := range points {
		text += fmt.Sprintf("| %d | %.1f %% of a core | %.0f MB | %.0f/s | %.0f kbit/s | %.0f kbit/s | %s | %s |\n", p.stations, p.cpu*100, float64(p.memory)/1e6,
			p.registers, p.kbits, p.peak, p.median.Round(time.Millisecond), p.last.Round(time.Millisecond))
	}
	return text
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(b), " ")
	return one
}

// growthPicture draws four curves over the number of stations, both axes logarithmic.
func growthPicture(points []growthPoint) string {
	const width, height, left, top = 220.0, 150.0, 46.0, 34.0
	text := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d 240" font-family="sans-serif" font-size="11">`+"\n", 4*280)
	text += `<rect width="100%" height="100%" fill="white"/>` + "\n"
	for i, plot := range []struct {
		title    string
		low, top float64
		value    func(growthPoint) float64
	}{
		{"CPU of the centre, % of a core", 0.1, 100, func(p growthPoint) float64 { return p.cpu * 100 }},
		{"memory of the centre, MB", 1, 1000, func(p growthPoint) float64 { return float64(p.memory) / 1e6 }},
		{"multicast at rest, kbit/s", 1, 1000, func(p growthPoint) float64 { return p.kbits }},
		{"a change in every copy, ms", 10, 10000, func(p growthPoint) float64 { return float64(p.last.Milliseconds()) }},
	} {
		x0 := float64(i)*280 + left
		x := func(n float64) float64 { return x0 + 16 + (math.Log10(n)-2)/2*(width-32) }
		y := func(v float64) float64 {
			v = min(max(v, plot.low), plot.top)
			return top + height*(1-math.Log10(v/plot.low)/math.Log10(plot.top/plot.low))
		}
		text += fmt.Sprintf(`<text x="%.0f" y="20" font-weight="bold">%s</text>`+"\n", x0, plot.title)
		for v := plot.low; v <= plot.top*1.01; v *= 10 {
			text += fmt.Sprintf(`<path d="M%.1f %.1fh%.1f" stroke="#ddd"/><text x="%.1f" y="%.1f" text-anchor="end">%g</text>`+"\n", x0, y(v), width, x0-4, y(v)+4, v)
		}
		path := ""
		for j, p := range points {
			n := float64(p.stations)
			path += fmt.Sprintf("%c%.1f %.1f", "ML"[min(j, 1)], x(n), y(plot.value(p)))
			text += fmt.Sprintf(`<circle cx="%.1f" cy="%.1f" r="3" fill="#06c"/><text x="%.1f" y="%.1f" text-anchor="middle">%.3g</text>`+"\n", x(n), y(plot.value(p)), x(n), y(plot.value(p))-7, plot.value(p))
			text += fmt.Sprintf(`<text x="%.1f" y="%.1f" text-anchor="middle">%d</text>`+"\n", x(n), top+height+16, p.stations)
		}
		text += fmt.Sprintf(`<path d="%s" fill="none" stroke="#06c"/><text x="%.1f" y="%.1f" text-anchor="middle">stations</text>`+"\n", path, x0+width/2, top+height+32)
	}
	return text + "</svg>\n"
}
