package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

type compareFlags struct {
	rounds  int
	atLeast []string
	atMost  []string
	json    bool
}

func newCompareCommand() *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "compare OLD NEW MEASUREMENT [flags of the measurement]",
		Short: "Measure two programs in turn, and print how the new one's figures compare with the old one's",
		Long: `Run a measurement with one fepha program and with another in turn, old, new, old,
new, so that what else this machine does befalls both alike. For each figure the
medians are printed, their ratio, and the least and the greatest ratio of a new
run to the old one right before it: a difference within that spread says nothing.

The old program has to be a station's node as this fepha-bench starts it.`,
		Example: `  fepha-bench compare /tmp/fepha-old /tmp/fepha-new events --per-asdu 20 --for 5s
  fepha-bench compare --rounds 5 --at-most p50_ms=1.05 OLD NEW failover --fault kill`,
		Args: cobra.MinimumNArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			bounds, err := f.bounds()
			if err != nil {
				return err
			}
			for i := range 2 {
				if args[i], err = program(args[i]); err != nil {
					return err
				}
			}
			return runCompare(cmd.Context(), f, bounds, args, cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.SetInterspersed(false) // what follows the measurement's name is its own
	fl.IntVar(&f.rounds, "rounds", 3, "how often each is measured")
	fl.StringArrayVar(&f.atLeast, "at-least", nil, "FIGURE=RATIO: fail below it, e.g. events_per_s=0.8")
	fl.StringArrayVar(&f.atMost, "at-most", nil, "FIGURE=RATIO: fail above it, e.g. p50_ms=1.05")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// program is the absolute path of a program.
func program(path string) (string, error) {
	path, err := exec.LookPath(path)
	if err != nil {
		return "", fmt.Errorf("expected a fepha program: %w", err)
	}
	return filepath.Abs(path)
}

// bound is what a figure's ratio may be.
type bound struct {
	figure string
	ratio  float64
	most   bool // else at least
}

func (f *compareFlags) bounds() (all []bound, err error) {
	if f.rounds < 1 {
		return nil, fmt.Errorf("--rounds %d: expected 1 or more", f.rounds)
	}
	add := func(flag string, texts []string, most bool) error {
		for _, text := range texts {
			figure, ratio, _ := strings.Cut(text, "=")
			r, err := strconv.ParseFloat(ratio, 64)
			if err != nil || r <= 0 || figure == "" {
				return fmt.Errorf("--%s %q: expected FIGURE=RATIO, such as events_per_s=0.8", flag, text)
			}
			all = append(all, bound{figure, r, most})
		}
		return nil
	}
	return all, errors.Join(add("at-least", f.atLeast, false), add("at-most", f.atMost, true))
}

// figure compares what one figure was in each run.
type figure struct {
	Line  int     `json:"line"` // of the measurement's output, from 1
	Name  string  `json:"figure"`
	Old   float64 `json:"old"` // medians
	New   float64 `json:"new"`
	Ratio float64 `json:"ratio"`
	Least float64 `json:"least_ratio"` // of a new run to the old one before it
	Most  float64 `json:"most_ratio"`
}

// run is one run of a measurement: its figures, by line of the output and name.
type run []map[string]float64

func runCompare(ctx context.Context, f compareFlags, bounds []bound, args []string, out io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	runs := [2][]run{}
	for range f.rounds {
		for which, binary := range args[:2] {
			r, err := measure(ctx, self, append(slices.Clone(args[2:]), "--json", "--binary", binary))
			if err != nil {
				return fmt.Errorf("%s with %s: %w", args[2], binary, err)
			}
			runs[which] = append(runs[which], r)
		}
	}
	figures := compare(runs[0], runs[1])
	if f.json {
		for _, c := range figures {
			if err := json.NewEncoder(out).Encode(c); err != nil {
				return err
			}
		}
	} else {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "LINE\tFIGURE\tOLD\tNEW\tNEW/OLD\tSPREAD")
		for _, c := range figures {
			fmt.Fprintf(w, "%d\t%s\t%.6g\t%.6g\t%.3f\t%.3f to %.3f\n", c.Line, c.Name, c.Old, c.New, c.Ratio, c.Least, c.Most)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return judge(figures, bounds)
}

// measure runs a measurement of this program, and reads the numbers that it prints as JSON.
func measure(ctx context.Context, self string, args []string) (r run, err error) {
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it has a station to end
	printed, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	for d := json.NewDecoder(bytes.NewReader(printed)); ; {
		var line map[string]any
		if err := d.Decode(&line); err == io.EOF {
			return r, nil
		} else if err != nil {
			return nil, fmt.Errorf("its output: %w", err)
		}
		numbers := map[string]float64{}
		for name, v := range line {
			if n, ok := v.(float64); ok {
				numbers[name] = n
			}
		}
		r = append(r, numbers)
	}
}

// compare gives the figures that every run has, other than those that are the same in all: those say what was measured.
func compare(before, after []run) (all []figure) {
	for line := range before[0] {
		for _, name := range slices.Sorted(maps.Keys(before[0][line])) {
			a, okA := values(before, line, name)
			b, okB := values(after, line, name)
			if both := slices.Concat(a, b); !okA || !okB || slices.Min(both) == slices.Max(both) {
				continue
			}
			c := figure{Line: line + 1, Name: name, Old: median(a), New: median(b), Least: b[0] / a[0], Most: b[0] / a[0]}
			c.Ratio = c.New / c.Old
			for i := range a {
				c.Least, c.Most = min(c.Least, b[i]/a[i]), max(c.Most, b[i]/a[i])
			}
			if c.Old != 0 && slices.Min(a) != 0 {
				all = append(all, c)
			}
		}
	}
	return all
}

// values are a figure's in each run; ok tells whether all have it.
func values(runs []run, line int, name string) (all []float64, ok bool) {
	for _, r := range runs {
		if line >= len(r) {
			return nil, false
		}
		v, has := r[line][name]
		if !has {
			return nil, false
		}
		all = append(all, v)
	}
	return all, true
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// judge says which bounds don't hold. A bound on a figure that isn't there doesn't.
func judge(figures []figure, bounds []bound) error {
	var wrong []error
	for _, b := range bounds {
		there := false
		for _, c := range figures {
			if c.Name != b.figure {
				continue
			}
			there = true
			if b.most && c.Ratio > b.ratio {
				wrong = append(wrong, fmt.Errorf("%s is %.3f times the old one's, expected at most %g", c.Name, c.Ratio, b.ratio))
			} else if !b.most && c.Ratio < b.ratio {
				wrong = append(wrong, fmt.Errorf("%s is %.3f times the old one's, expected at least %g", c.Name, c.Ratio, b.ratio))
			}
		}
		if !there {
			wrong = append(wrong, fmt.Errorf("%s: the measurement has no such figure, or it is the same in every run", b.figure))
		}
	}
	return errors.Join(wrong...)
}
