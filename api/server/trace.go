package server

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/api/server/trace"
	"github.com/fepha/fepha/fsm"
)

func (s *Server) traceRTU(w http.ResponseWriter, r *http.Request) error {
	number, err := rest.PathNumber(r, "number", "RTU")
	if err != nil {
		return err
	}
	return s.follow(w, r, s.linksOf(number))
}

func (s *Server) captureRTU(w http.ResponseWriter, r *http.Request) error {
	number, err := rest.PathNumber(r, "number", "RTU")
	if err != nil {
		return err
	}
	return s.capture(w, r, s.linksOf(number))
}

// linksOf is the resource of an RTU, which may be that of another whose links it shares.
func (s *Server) linksOf(rtu uint32) string {
	id := fsm.RTUResource(rtu)
	s.cfg.Node.View(func(state *fsm.State) {
		if r, ok := state.Resource(id); ok {
			id = r.ID
		}
	})
	return id
}

func (s *Server) captureUplink(w http.ResponseWriter, r *http.Request) error {
	return s.capture(w, r, uplinkResource(r))
}

func (s *Server) traceUplink(w http.ResponseWriter, r *http.Request) error {
	return s.follow(w, r, uplinkResource(r))
}

// maxLast is how many frames of each link ?last= can ask for: all that are kept.
const maxLast = 2 * trace.KeptFrames

// traced is the resource of a request, with what its query says of the frames that are kept.
func (s *Server) traced(r *http.Request, resource string, last uint64) (n int, err error) {
	if err := rest.CheckQuery(r, "last"); err != nil {
		return 0, err
	}
	if last, err = rest.QueryNumber(r, "last", last, maxLast); err != nil {
		return 0, err
	}
	var ok bool
	s.cfg.Node.View(func(state *fsm.State) { _, ok = state.Resource(resource) })
	switch {
	case !ok:
		return 0, rest.NotFound("no %s in this station", resource)
	case s.cfg.Tracer == nil:
		return 0, rest.NotFound("this node has no links")
	}
	return int(last), nil
}

// follow sends the frames of a resource's links on this node as server-sent events until the client goes: those kept that
// ?last= asks for, then each as it goes by.
func (s *Server) follow(w http.ResponseWriter, r *http.Request, resource string) error {
	last, err := s.traced(r, resource, 0)
	if err != nil {
		return err
	}
	watcher, cancel := s.cfg.Tracer.Watch(resource)
	defer cancel()
	out, err := s.streams.Begin(w, r)
	if err != nil {
		return err
	}
	defer out.Close()
	var shown time.Time // what came while the kept ones were read is among them, and comes from the watcher too
	for _, f := range s.cfg.Tracer.Last(resource, last) {
		shown = f.At
		if err := out.Send(0, traceLine(f)); err != nil {
			return nil // the client is gone
		}
	}
	if err := out.Flush(); err != nil {
		return nil
	}
	silence := time.NewTicker(s.streams.AskAgain)
	defer silence.Stop()
	for {
		select {
		case <-r.Context().Done():
			return nil
		case f := <-watcher.Frames:
			if !f.At.After(shown) {
				continue
			}
			err = out.Send(0, traceLine(f))
			if err == nil && len(watcher.Frames) == 0 {
				err = out.Flush()
			}
		case <-silence.C:
			if n := watcher.TakeDropped(); n > 0 {
				err = out.Send(0, api.TraceLine{Dropped: n})
			}
			if err == nil {
				err = out.Comment()
			}
		}
		if err != nil {
			return nil
		}
	}
}

// capture answers with the frames that are kept of a resource's links, as pcapng.
func (s *Server) capture(w http.ResponseWriter, r *http.Request, resource string) error {
	last, err := s.traced(r, resource, trace.KeptFrames)
	if err != nil {
		return err
	}
	var file bytes.Buffer
	if err := trace.WriteCapture(&file, s.cfg.Tracer.Last(resource, last)); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-pcapng")
	w.Header().Set("Content-Disposition", `attachment; filename="frames.pcapng"`)
	_, _ = w.Write(file.Bytes()) // else the client is gone
	return nil
}

func traceLine(f trace.Frame) api.TraceLine {
	line := api.TraceLine{
		TimeMs: f.At.UnixMilli(), Link: f.Name, Direction: "received", Octets: fmt.Sprintf("%x", f.Octets), Dropped: f.Dropped,
	}
	if f.Sent {
		line.Direction = "sent"
	}
	if f.Explain != nil {
		line.Text = f.Explain(f.Octets)
	}
	return line
}
