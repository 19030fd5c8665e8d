package rest

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/fepha/fepha/api"
)

const (
	// MaxStreams is how many may go on until their clients go: events, frames, the station at a glance.
	MaxStreams = 64

	// Silence is after how long a comment shows that a stream is alive.
	Silence = 15 * time.Second

	streamTimeout = 10 * time.Second // for a client of a stream to take what was written
)

// Streams are those of a server that are open.
type Streams struct {
	JSON
	AskAgain time.Duration // after which a stream asks whether its caller still may

	open chan struct{} // holds something for each
}

// NewStreams makes those of a server.
func NewStreams(j JSON, askAgain time.Duration) *Streams {
	return &Streams{JSON: j, AskAgain: askAgain, open: make(chan struct{}, MaxStreams)}
}

// Open is how many there are.
func (s *Streams) Open() int { return len(s.open) }

// mayStillKey is under which a request's context has how to ask whether its caller still may.
type mayStillKey struct{}

// WithMayStill has a stream that answers a request ask now and then whether it may go on: nil means that it may.
func WithMayStill(ctx context.Context, mayStill func() error) context.Context {
	return context.WithValue(ctx, mayStillKey{}, mayStill)
}

// Stream is an answer of server-sent events, which goes on until the client
// goes or is too slow to take what it asked for.
type Stream struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	streams *Streams

	mayStill func() error // whether its caller may go on
	asked    time.Time
}

// Begin begins a stream, which must be closed.
func (s *Streams) Begin(w http.ResponseWriter, r *http.Request) (*Stream, error) {
	select {
	case s.open <- struct{}{}:
	default:
		return nil, &api.Error{Status: http.StatusServiceUnavailable, Code: api.CodeOverloaded, Message: fmt.Sprintf("%d streams are open already: try again later", MaxStreams)}
	}
	mayStill, ok := r.Context().Value(mayStillKey{}).(func() error)
	if !ok {
		mayStill = func() error { return Forbidden("nobody has said who may follow this") }
	}
	w.Header().Set("Content-Type", "text/event-stream")
	return &Stream{w: w, rc: http.NewResponseController(w), streams: s, mayStill: mayStill, asked: time.Now()}, nil
}

// Close ends it.
func (out *Stream) Close() { <-out.streams.open }

// Send writes one event. An id of 0 is none.
func (out *Stream) Send(id uint64, v any) error {
	data, err := out.streams.Encode(v)
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
func (out *Stream) ask() error {
	if time.Since(out.asked) < out.streams.AskAgain {
		return nil
	}
	out.asked = time.Now()
	return out.mayStill()
}

// Comment shows that the stream is alive.
func (out *Stream) Comment() error {
	if _, err := fmt.Fprint(out.w, ":\n\n"); err != nil {
		return err
	}
	return out.Flush()
}

// Flush sends what was written.
func (out *Stream) Flush() error {
	if err := out.ask(); err != nil {
		return err
	}
	if err := out.rc.SetWriteDeadline(time.Now().Add(streamTimeout)); err != nil {
		return err
	}
	return out.rc.Flush()
}

// TakesLong gives a client more time than others have to send its request's
// body, and to take the answer.
func TakesLong(w http.ResponseWriter, d time.Duration) error {
	rc, until := http.NewResponseController(w), time.Now().Add(d)
	if err := rc.SetReadDeadline(until); err != nil {
		return err
	}
	return rc.SetWriteDeadline(until)
}
