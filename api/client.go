package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ErrUnreachable: no node answers at the client's address.
var ErrUnreachable = errors.New("node unreachable")

// A Client talks to one node's API.
type Client struct {
	Base  string       // URL without path, such as http://127.0.0.1:7310
	Token string       // "": none
	HTTP  *http.Client // nil: the default one
}

// Status reads the station's status.
func (c *Client) Status(ctx context.Context) (st Status, err error) {
	return st, c.call(ctx, http.MethodGet, "/v1/status", nil, &st)
}

// RTUs lists the RTUs.
func (c *Client) RTUs(ctx context.Context) (rtus []RTUStatus, err error) {
	return rtus, c.call(ctx, http.MethodGet, "/v1/rtus", nil, &rtus)
}

// RTU reads one RTU.
func (c *Client) RTU(ctx context.Context, number uint32) (rtu RTUStatus, err error) {
	return rtu, c.call(ctx, http.MethodGet, fmt.Sprintf("/v1/rtus/%d", number), nil, &rtu)
}

// Failover moves an RTU to a FEP, or to the other one if to is empty.
func (c *Client) Failover(ctx context.Context, rtu uint32, to string) (m MoveReply, err error) {
	return m, c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/rtus/%d/failover", rtu), MoveRequest{to}, &m)
}

// Pin binds an RTU to a FEP, or to its present owner if to is empty.
func (c *Client) Pin(ctx context.Context, rtu uint32, to string) (m MoveReply, err error) {
	return m, c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/rtus/%d/pin", rtu), MoveRequest{to}, &m)
}

// Unpin takes a pin back.
func (c *Client) Unpin(ctx context.Context, rtu uint32) (m MoveReply, err error) {
	return m, c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/rtus/%d/unpin", rtu), MoveRequest{}, &m)
}

// Uplinks lists the groups of all uplinks.
func (c *Client) Uplinks(ctx context.Context) (u []UplinkStatus, err error) {
	return u, c.call(ctx, http.MethodGet, "/v1/uplinks", nil, &u)
}

// Raft reads the group's status as the node sees it.
func (c *Client) Raft(ctx context.Context) (r RaftStatus, err error) {
	return r, c.call(ctx, http.MethodGet, "/v1/raft", nil, &r)
}

// Events reads up to limit events after a number.
func (c *Client) Events(ctx context.Context, after uint64, limit int) (p EventPage, err error) {
	return p, c.call(ctx, http.MethodGet, fmt.Sprintf("/v1/events?after=%d&limit=%d", after, limit), nil, &p)
}

// NewestEvents reads the newest events, at most limit.
func (c *Client) NewestEvents(ctx context.Context, limit int) (p EventPage, err error) {
	return p, c.call(ctx, http.MethodGet, fmt.Sprintf("/v1/events?limit=%d", limit), nil, &p)
}

// FollowEvents calls each for every event after a number, as it comes, until
// ctx ends, the connection is lost or each returns an error.
func (c *Client) FollowEvents(ctx context.Context, after uint64, each func(Event) error) error {
	resp, err := c.do(ctx, http.MethodGet, fmt.Sprintf("/v1/events/stream?after=%d", after), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxBody)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e Event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return fmt.Errorf("event stream of %s: %w", c.Base, err)
		}
		if err := each(e); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return fmt.Errorf("%w: the event stream of %s ended: %v", ErrUnreachable, c.Base, lines.Err())
}

// call sends body as JSON and reads the answer into out.
func (c *Client) call(ctx context.Context, method, path string, body, out any) error {
	ctx, cancel := context.WithTimeout(ctx, proposeTimeout+5*time.Second)
	defer cancel()
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("answer of %s to %s %s: %w", c.Base, method, path, err)
	}
	return nil
}

// do returns a response with status 2xx. Its error is an *Error where the node
// said why not.
func (c *Client) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(b)
	}
	target, err := url.JoinPath(c.Base, "/")
	if err != nil {
		return nil, fmt.Errorf("node address %q: %w", c.Base, err)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(target, "/")+path, content)
	if err != nil {
		return nil, fmt.Errorf("node address %q: %w", c.Base, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	e := &Error{Status: resp.StatusCode}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(e); err != nil || e.Message == "" {
		return nil, fmt.Errorf("%s answers %s %s with %s", c.Base, method, path, resp.Status)
	}
	return nil, e
}
