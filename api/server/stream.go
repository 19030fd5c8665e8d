package server

import (
	"fmt"
	"net/http"
	"time"

	"github.com/fepha/fepha/api"
)

// stream is an answer of server-sent events, which goes on until the client
// goes or is too slow to take what it asked for.
type stream struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	end func()

	mayStill func() error // whether its caller may go on
	askAgain time.Duration
	asked    time.Time

	encode func(v any) ([]byte, error)
}

// openStream begins a stream, which must be closed.
func (s *Server) openStream(w http.ResponseWriter, r *http.Request, to access) (*stream, error) {
	select {
	case s.streams <- struct{}{}:
	default:
		return nil, &api.Error{Status: http.StatusServiceUnavailable, Code: api.CodeOverloaded, Message: fmt.Sprintf("%d streams are open already: try again later", maxStreams)}
	}
	w.Header().Set("Content-Type", "text/event-stream")
	return &stream{
		w: w, rc: http.NewResponseController(w), end: func() { <-s.streams },
		mayStill: func() error { _, err := s.guard.admit(to, r); return err }, askAgain: s.askAgain, asked: time.Now(), encode: s.encode,
	}, nil
}

func (out *stream) close() { out.end() }

// send writes one event. An id of 0 is none.
func (out *stream) send(id uint64, v any) error {
	data, err := out.encode(v)
	if err != nil {
		return err
	}
	if err := out.ask(); err != nil {
		return err
	}
	if err := out.rc.SetWriteDeadline(time.Now().Add(streamTimeout)); err != nil {
		return err
	}
	if id != 0 {
		if _, err := fmt.Fprintf(out.w, "id: %d\n", id); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(out.w, "data: %s\n\n", data)
	return err
}

// ask asks now and then whether the caller still may: a session ends, a token or a certificate is revoked.
func (out *stream) ask() error {
	if time.Since(out.asked) < out.askAgain {
		return nil
	}
	out.asked = time.Now()
	return out.mayStill()
}

// comment shows that the stream is alive.
func (out *stream) comment() error {
	if _, err := fmt.Fprint(out.w, ":\n\n"); err != nil {
		return err
	}
	return out.flush()
}

// flush sends what was written.
func (out *stream) flush() error {
	if err := out.ask(); err != nil {
		return err
	}
	if err := out.rc.SetWriteDeadline(time.Now().Add(streamTimeout)); err != nil {
		return err
	}
	return out.rc.Flush()
}

// takesLong gives a client more time than others have to send its request's
// body, and to take the answer.
func takesLong(w http.ResponseWriter, d time.Duration) error {
	rc, until := http.NewResponseController(w), time.Now().Add(d)
	if err := rc.SetReadDeadline(until); err != nil {
		return err
	}
	return rc.SetWriteDeadline(until)
}
