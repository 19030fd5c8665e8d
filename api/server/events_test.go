package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// batches makes events of RTU 1, the first batch after newNode's.
func (n *fakeNode) emit(batch uint64, count int) {
	c := &fsmpb.Events{Rtu: 1, Epoch: 1, Batch: batch}
	for i := range count {
		c.Items = append(c.Items, &fsmpb.Item{Kind: fsmpb.Kind_DI, Point: 17, Type: 30, Value: float64(i % 2), TimeMs: time.Now().UnixMilli()})
	}
	n.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_Events{Events: c}})
}

func TestEventPages(t *testing.T) {
	s := serve(t)
	s.node.emit(2, 20)
	newest, err := s.NewestEvents(t.Context(), 5)
	if err != nil || len(newest.Events) != 5 || newest.Events[4].Seq != newest.Last {
		t.Fatalf("%+v, %v", newest, err)
	}
	var all []api.Event
	for after := uint64(0); ; {
		page, err := s.Events(t.Context(), after, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Events) == 0 {
			break
		}
		all = append(all, page.Events...)
		after = all[len(all)-1].Seq
	}
	if len(all) != int(newest.Last) || !slices.Equal(all[len(all)-5:], newest.Events) {
		t.Errorf("%d events by pages, journal ends with %d", len(all), newest.Last)
	}
	for i, e := range all {
		if e.Seq != uint64(i+1) {
			t.Fatalf("event %d has number %d", i+1, e.Seq)
		}
	}
	if i := slices.IndexFunc(all, func(e api.Event) bool { return e.Kind == "di" }); all[i].Time != "2023-11-14T22:13:20.123Z" {
		t.Errorf("time %q, want it as RFC 3339 in the station's zone", all[i].Time)
	}
}

// Whoever follows sees each event once and in order, those before and those
// after it began.
func TestFollowingEvents(t *testing.T) {
	s := serve(t)
	const count = 3*256 + 10
	s.node.emit(2, 2*256)
	last, err := s.NewestEvents(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	var seen uint64
	err = s.FollowEvents(t.Context(), 0, func(e api.Event) error {
		if e.Seq != seen+1 {
			return fmt.Errorf("event %d after %d", e.Seq, seen)
		}
		if seen = e.Seq; seen == last.Last {
			go s.node.emit(3, count)
		}
		if seen == last.Last+count {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Errorf("at %d: %v", seen, err)
	}
}

// A browser that lost the stream says what it had last.
func TestStreamResumesAfterTheLastEventID(t *testing.T) {
	s := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", s.Base+"/v1/events/stream?after=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", "3")
	resp, err := s.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("Content-Type %q", got)
	}
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil || line != "id: 4\n" {
		t.Errorf("%q, %v", line, err)
	}
	s.refuses(t, 400, api.CodeInvalid, "Last-Event-ID", "GET", "/v1/events/stream", "", func(r *http.Request) { r.Header.Set("Last-Event-ID", "x") })
}

// Streams are bounded, and give their place back.
func TestStreamsAreBounded(t *testing.T) {
	s := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	open := func() *http.Response {
		req, err := http.NewRequestWithContext(ctx, "GET", s.Base+"/v1/events/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	var open64 []*http.Response
	for range rest.MaxStreams {
		open64 = append(open64, open())
	}
	s.refuses(t, 503, api.CodeOverloaded, "streams", "GET", "/v1/events/stream", "")
	cancel()
	for _, r := range open64 {
		_ = r.Body.Close()
	}
	within(t, "the streams' end", func() bool { return s.streams.Open() == 0 })
}

// within waits for a condition.
func within(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timeout waiting for %s", what)
		}
	}
}

// Close ends streams, and the follower hears of it.
func TestCloseEndsStreams(t *testing.T) {
	s := serve(t)
	ended := make(chan error)
	go func() {
		ended <- s.FollowEvents(context.Background(), 0, func(api.Event) error { return nil })
	}()
	within(t, "the stream", func() bool { return s.streams.Open() == 1 })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, client.ErrUnreachable) || !strings.Contains(err.Error(), "stream") {
		t.Errorf("%v", err)
	}
}
