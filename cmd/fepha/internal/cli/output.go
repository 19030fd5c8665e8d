package cli

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"

	"github.com/fepha/fepha/internal/plain"
)

// output is where a command prints what a person reads: times in the station's zone, and words that tell of a state in
// colour if it's a terminal.
type output struct {
	io.Writer
	zone     *time.Location
	coloured bool
}

// NewOutput prints to w. NO_COLOR in the environment switches colours off (no-color.org).
func NewOutput(w io.Writer, zone *time.Location) output {
	f, ok := w.(*os.File)
	return output{w, zone, ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == ""}
}

var (
	badWords  = regexp.MustCompile(`\b(ALARM|DEAD|OFFLINE|DROPPED|NO QUORUM|FAILED|REFUSED|down|unreachable)\b`)
	warnWords = regexp.MustCompile(`\b(WARNING|connecting|releasing|invalid|not topical|stale)\b`)
	goodWords = regexp.MustCompile(`\b(active|leader|online|All is well)\b`)
)

func (o output) Write(b []byte) (int, error) {
	text := []byte(plain.Text(string(b))) // before it's coloured: names come from tables, devices, clients and strangers
	if o.coloured {
		text = badWords.ReplaceAll(text, []byte("\x1b[31m$1\x1b[0m"))
		text = warnWords.ReplaceAll(text, []byte("\x1b[33m$1\x1b[0m"))
		text = goodWords.ReplaceAll(text, []byte("\x1b[32m$1\x1b[0m"))
	}
	if _, err := o.Writer.Write(text); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Clock shows an instant, ms since 1970-01-01 UTC, in the zone of where it's printed to, with the zone's offset.
func Clock(w io.Writer, ms int64) string {
	if ms == 0 {
		return "-"
	}
	zone := time.Local
	if o, ok := w.(output); ok && o.zone != nil {
		zone = o.zone
	}
	return time.UnixMilli(ms).In(zone).Format("2006-01-02 15:04:05.000 -07:00")
}

// Table prints rows of tab-separated cells under a header, in columns. What is wide on a terminal, such as Chinese, counts
// for two.
func Table(w io.Writer, header string, rows ...string) error {
	lines := make([][]string, 0, len(rows)+1)
	var widths []int
	for _, r := range append([]string{header}, rows...) {
		cells := strings.Split(r, "\t")
		for i, c := range cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], runewidth.StringWidth(c))
		}
		lines = append(lines, cells)
	}
	var b strings.Builder
	for _, cells := range lines {
		line := ""
		for i, c := range cells {
			line += c + strings.Repeat(" ", widths[i]-runewidth.StringWidth(c)+2)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// oneLine shows a line end or a tab within a cell as a space: it would make a row or a cell of its own.
var oneLine = strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ")

// Row joins cells for Table; an empty one is shown as a dash.
func Row(cells ...any) string {
	text := make([]string, len(cells))
	for i, c := range cells {
		if text[i] = oneLine.Replace(fmt.Sprint(c)); text[i] == "" {
			text[i] = "-"
		}
	}
	return strings.Join(text, "\t")
}
