package server

import (
	"fmt"
	"net/http"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
)

func (s *Server) traceRTU(w http.ResponseWriter, r *http.Request) error {
	number, err := pathNumber(r, "number", "RTU")
	if err != nil {
		return err
	}
	return s.trace(w, r, fsm.RTUResource(number))
}

func (s *Server) captureRTU(w http.ResponseWriter, r *http.Request) error {
	number, err := pathNumber(r, "number", "RTU")
	if err != nil {
		return err
	}
	return s.capture(w, r, fsm.RTUResource(number))
}

func (s *Server) captureUplink(w http.ResponseWriter, r *http.Request) error {
	return s.capture(w, r, uplinkResource(r))
}

func (s *Server) traceUplink(w http.ResponseWriter, r *http.Request) error {
	return s.trace(w, r, uplinkResource(r))
}

// maxLast is how many frames of each link ?last= can ask for: all that are kept.
const maxLast = 2 * keptFrames

// traced is the resource of a request, with what its query says of the frames that are kept.
func (s *Server) traced(r *http.Request, resource string, last uint64) (n int, err error) {
	if err := checkQuery(r, "last"); err != nil {
		return 0, err
	}
	if last, err = queryNumber(r, "last", last, maxLast); err != nil {
		return 0, err
	}
	var ok bool
	s.cfg.Node.View(func(state *fsm.State) { _, ok = state.Resource(resource) })
	switch {
	case !ok:
		return 0, notFound("no %s in this station", resource)
	case s.cfg.Tracer == nil:
		return 0, notFound("this node has no links")
	}
	return int(last), nil
}

// trace sends the frames of a resource's links on this node as server-sent events until the client goes: those kept that
// ?last= asks for, then each as it goes by.
func (s *Server) trace(w http.ResponseWriter, r *http.Request, resource string) error {
	last, err := s.traced(r, resource, 0)
	if err != nil {
		return err
	}
	out, err := s.openStream(w, r, engineers)
	if err != nil {
		return err
	}
	defer out.close()
	watcher, cancel := s.cfg.Tracer.watch(resource)
	defer cancel()
	var shown time.Time // what came while the kept ones were read is among them, and comes from the watcher too
	for _, f := range s.cfg.Tracer.Last(resource, last) {
		shown = f.At
		if err := out.send(0, traceLine(f)); err != nil {
			return nil // the client is gone
		}
	}
	if err := out.flush(); err != nil {
		return nil
	}
	silence := time.NewTicker(s.askAgain)
	defer silence.Stop()
	for {
		select {
		case <-r.Context().Done():
			return nil
		case f := <-watcher.frames:
			if !f.At.After(shown) {
				continue
			}
			err = out.send(0, traceLine(f))
			if err == nil && len(watcher.frames) == 0 {
				err = out.flush()
			}
		case <-silence.C:
			if n := watcher.takeDropped(); n > 0 {
				err = out.send(0, api.TraceLine{Dropped: n})
			}
			if err == nil {
				err = out.comment()
			}
		}
		if err != nil {
			return nil
		}
	}
}

func traceLine(f Frame) api.TraceLine {
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
