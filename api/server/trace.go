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

func (s *Server) traceUplink(w http.ResponseWriter, r *http.Request) error {
	return s.trace(w, r, uplinkResource(r))
}

// trace sends the frames of a resource's links on this node as server-sent
// events, until the client goes.
func (s *Server) trace(w http.ResponseWriter, r *http.Request, resource string) error {
	var ok bool
	s.cfg.Node.View(func(state *fsm.State) { _, ok = state.Resource(resource) })
	switch {
	case !ok:
		return notFound("no %s in this station", resource)
	case s.cfg.Tracer == nil:
		return notFound("this node has no links")
	}
	out, err := s.openStream(w)
	if err != nil {
		return err
	}
	defer out.close()
	watcher, cancel := s.cfg.Tracer.watch(resource)
	defer cancel()
	if err := out.flush(); err != nil {
		return nil // the client is gone
	}
	silence := time.NewTicker(streamSilence)
	defer silence.Stop()
	for {
		select {
		case <-r.Context().Done():
			return nil
		case f := <-watcher.frames:
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
		TimeMs: f.At.UnixMilli(), Link: f.Link, Direction: "received", Octets: fmt.Sprintf("%x", f.Octets), Dropped: f.Dropped,
	}
	if f.Sent {
		line.Direction = "sent"
	}
	if f.Explain != nil {
		line.Text = f.Explain(f.Octets)
	}
	return line
}
