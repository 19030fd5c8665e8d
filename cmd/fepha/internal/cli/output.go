package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
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
	badWords  = regexp.MustCompile(`\b(ALARM|DEAD|OFFLINE|DROPPED|NO QUORUM|FAILED|REFUSED|WRONG|down|unreachable)\b`)
	warnWords = regexp.MustCompile(`\b(WARNING|DOUBTFUL|connecting|releasing|invalid|not topical|stale)\b`)
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

// ErrHeading: a list has a column without a heading, which is a mistake of the command that prints it.
var ErrHeading = errors.New("a column has no heading")

// Table prints rows of tab-separated cells under a header, in columns. What is wide on a terminal, such as Chinese, counts
// for two. The error may be ErrHeading.
func Table(w io.Writer, header string, rows ...string) error {
	t := NewList(w, header)
	for _, r := range rows {
		for i, c := range strings.Split(r, "\t") {
			if i < len(t.widths) {
				t.widths[i] = max(t.widths[i], runewidth.StringWidth(c))
			}
		}
	}
	var b strings.Builder
	t.w = &b
	if err := t.begin(); err != nil {
		return err
	}
	for _, r := range rows {
		if err := t.Add(r); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// A List is a Table whose rows are printed as they come: of each column it is known before how wide it is at least.
type List struct {
	w      io.Writer
	header []string
	widths []int
	begun  bool
}

// NewList makes a list under a header of tab-separated headings. Widths are those of the first columns, beyond their headings.
func NewList(w io.Writer, header string, widths ...int) *List {
	l := &List{w: w, header: strings.Split(header, "\t")}
	for i, h := range l.header {
		width := runewidth.StringWidth(h)
		if i < len(widths) {
			width = max(width, widths[i])
		}
		l.widths = append(l.widths, width)
	}
	return l
}

// ClockWidth is how wide Clock is.
const ClockWidth = len("2006-01-02 15:04:05.000 -07:00")

// Add prints a row, and the header before the first one. The error may be ErrHeading.
func (l *List) Add(row string) error {
	if err := l.begin(); err != nil {
		return err
	}
	return l.print(strings.Split(row, "\t"))
}

func (l *List) begin() error {
	if l.begun {
		return nil
	}
	l.begun = true
	return l.print(l.header)
}

func (l *List) print(cells []string) error {
	if len(cells) > len(l.header) || slices.Contains(l.header, "") {
		return fmt.Errorf("%w: %q under %q", ErrHeading, cells, l.header)
	}
	line := ""
	for i, c := range cells {
		line += c + strings.Repeat(" ", max(0, l.widths[i]-runewidth.StringWidth(c))+2)
	}
	_, err := io.WriteString(l.w, strings.TrimRight(line, " ")+"\n")
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
