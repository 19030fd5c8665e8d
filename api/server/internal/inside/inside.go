// Package inside answers with what only a node itself knows of its inside, for those who make fepha: the end of its log, goroutines,
// profiles, the last frames of its links. Nothing of that bears a secret.
package inside

import (
	"archive/zip"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/api/server/trace"
)

const (
	framesOfLink = 500    // newest frames of a link
	mostFrames   = 50_000 // of all links
)

// Node is what a node can be asked.
type Node struct {
	Log       func() []byte   // the newest lines of its log; nil: none are kept
	Tracer    *trace.Tracer   // nil: it has no links
	Resources func() []string // whose links it may have
}

// Serve answers with a zip file. ?cpu_s= is for how many seconds the processor's use is measured; 0, the default, not at all.
func (i *Node) Serve(w http.ResponseWriter, r *http.Request) error {
	if err := rest.CheckQuery(r, "cpu_s"); err != nil {
		return err
	}
	seconds, err := rest.QueryNumber(r, "cpu_s", 0, api.MaxProfile)
	if err != nil {
		return err
	}
	if err := rest.TakesLong(w, api.DebugTimeout); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="node.zip"`)
	if err := i.write(r.Context(), w, time.Duration(seconds)*time.Second); err != nil {
		panic(http.ErrAbortHandler) // so that the client sees that it is cut short
	}
	return nil
}

// write writes what can be had. What can't is told in errors.txt, since the rest is worth having.
func (i *Node) write(ctx context.Context, w io.Writer, cpu time.Duration) error {
	parts := []struct {
		name  string
		write func(w io.Writer) error
	}{
		{"log.txt", i.log},
		{"goroutines.txt", func(w io.Writer) error { return pprof.Lookup("goroutine").WriteTo(w, 2) }},
		{"heap.pprof", func(w io.Writer) error { return pprof.Lookup("heap").WriteTo(w, 0) }},
		{"threads.pprof", func(w io.Writer) error { return pprof.Lookup("threadcreate").WriteTo(w, 0) }},
		{"frames.pcapng", i.frames},
	}
	if cpu > 0 {
		parts = append(parts, struct {
			name  string
			write func(w io.Writer) error
		}{"cpu.pprof", func(w io.Writer) error { return profile(ctx, w, cpu) }})
	}
	file, failed := zip.NewWriter(w), ""
	for _, p := range parts {
		part, err := file.CreateHeader(&zip.FileHeader{Name: p.name, Method: zip.Deflate, Modified: time.Now()})
		if err != nil {
			return err
		}
		if err := p.write(part); err != nil {
			failed += p.name + ": " + err.Error() + "\n"
		}
	}
	if failed != "" {
		part, err := file.Create("errors.txt")
		if err == nil {
			_, err = io.WriteString(part, failed)
		}
		if err != nil {
			return err
		}
	}
	return file.Close()
}

func (i *Node) log(w io.Writer) error {
	if i.Log == nil {
		return fmt.Errorf("the node keeps none: see the supervisor's")
	}
	_, err := w.Write(i.Log())
	return err
}

// frames are the newest of all links, in their order.
func (i *Node) frames(w io.Writer) error {
	var all []trace.Frame
	if i.Tracer != nil {
		for _, r := range i.Resources() {
			all = append(all, i.Tracer.Last(r, framesOfLink)...)
		}
	}
	slices.SortStableFunc(all, func(a, b trace.Frame) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
	return trace.WriteCapture(w, all[max(0, len(all)-mostFrames):])
}

// profile measures the processor's use. Only one can be measured at a time.
func profile(ctx context.Context, w io.Writer, d time.Duration) error {
	if err := pprof.StartCPUProfile(w); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
