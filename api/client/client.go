// Package client talks to the API of one node of a station.
package client

import (
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

	"github.com/fepha/fepha/api"
)

// ErrUnreachable: no node answers at the client's address.
var ErrUnreachable = errors.New("node unreachable")

// A Client talks to one node's API.
type Client struct {
	Base  string       // URL without path, such as http://127.0.0.1:7310
	Token string       // "": none
	HTTP  *http.Client // nil: the default one
}

// callTimeout is how long an ordinary call may take: a little longer than the
// station may take to decide.
const callTimeout = api.ProposeTimeout + 5*time.Second

// Status reads the station's status.
func (c *Client) Status(ctx context.Context) (st api.Status, err error) {
	return st, c.get(ctx, &st, "/v1/status")
}

// RTUs lists the RTUs.
func (c *Client) RTUs(ctx context.Context) (rtus []api.RTUStatus, err error) {
	return rtus, c.get(ctx, &rtus, "/v1/rtus")
}

// RTU reads one RTU.
func (c *Client) RTU(ctx context.Context, number uint32) (rtu api.RTUStatus, err error) {
	return rtu, c.get(ctx, &rtu, "/v1/rtus/%d", number)
}

// Table lists the points of an RTU as configured, and whether the device answers them. Only the RTU's owner knows that of all.
func (c *Client) Table(ctx context.Context, number uint32) (t api.TableReply, err error) {
	return t, c.get(ctx, &t, "/v1/rtus/%d/points", number)
}

// Strays lists an RTU's newest strays, the newest first.
func (c *Client) Strays(ctx context.Context, number uint32, limit int) (list api.StrayList, err error) {
	return list, c.get(ctx, &list, "/v1/rtus/%d/strays?limit=%d", number, limit)
}

// Failover moves an RTU to a FEP, or to the other one if to is empty.
func (c *Client) Failover(ctx context.Context, rtu uint32, to string) (m api.MoveReply, err error) {
	return m, c.post(ctx, &m, api.MoveRequest{To: to}, "/v1/rtus/%d/failover", rtu)
}

// Rebalance moves all RTUs to the FEPs that they prefer.
func (c *Client) Rebalance(ctx context.Context) (r api.RebalanceReply, err error) {
	return r, c.post(ctx, &r, struct{}{}, "/v1/rtus/rebalance")
}

// Maintain begins or ends a node's maintenance. It returns when that is committed: what the node owns goes elsewhere
// afterwards.
func (c *Client) Maintain(ctx context.Context, node string, on bool) (m api.MaintenanceReply, err error) {
	return m, c.post(ctx, &m, api.MaintenanceRequest{On: on}, "/v1/nodes/%s/maintenance", node)
}

// Pin binds an RTU to a FEP, or to its present owner if to is empty.
func (c *Client) Pin(ctx context.Context, rtu uint32, to string) (m api.MoveReply, err error) {
	return m, c.post(ctx, &m, api.MoveRequest{To: to}, "/v1/rtus/%d/pin", rtu)
}

// Unpin takes a pin back.
func (c *Client) Unpin(ctx context.Context, rtu uint32) (m api.MoveReply, err error) {
	return m, c.post(ctx, &m, api.MoveRequest{}, "/v1/rtus/%d/unpin", rtu)
}

// Uplinks lists the groups of all uplinks.
func (c *Client) Uplinks(ctx context.Context) (u []api.UplinkStatus, err error) {
	return u, c.get(ctx, &u, "/v1/uplinks")
}

// Uplink reads one group of an uplink.
func (c *Client) Uplink(ctx context.Context, name, group string) (u api.UplinkStatus, err error) {
	return u, c.get(ctx, &u, "/v1/uplinks/%s/%s", url.PathEscape(name), url.PathEscape(group))
}

// Release takes a group of an uplink from its owner to a FEP, or to the other
// one if to is empty, where a client may start anew.
func (c *Client) Release(ctx context.Context, name, group, to string) (m api.MoveReply, err error) {
	return m, c.post(ctx, &m, api.MoveRequest{To: to}, "/v1/uplinks/%s/%s/release", url.PathEscape(name), url.PathEscape(group))
}

// PointQuery says which points are asked for; zero fields don't restrict.
type PointQuery struct {
	RTU   *uint32
	Kind  string // di | ai | counter
	After string // PointPage.Next of the page before
	Limit int
}

// Points lists the points that have a value, a page at a time.
func (c *Client) Points(ctx context.Context, q PointQuery) (p api.PointPage, err error) {
	query := url.Values{}
	if q.RTU != nil {
		query.Set("rtu", fmt.Sprint(*q.RTU))
	}
	if q.Kind != "" {
		query.Set("kind", q.Kind)
	}
	if q.After != "" {
		query.Set("after", q.After)
	}
	if q.Limit != 0 {
		query.Set("limit", fmt.Sprint(q.Limit))
	}
	return p, c.get(ctx, &p, "/v1/points?%s", query.Encode())
}

// Point reads one point.
func (c *Client) Point(ctx context.Context, rtu uint32, kind string, point uint32) (p api.Point, err error) {
	return p, c.get(ctx, &p, "/v1/points/%d/%s/%d", rtu, url.PathEscape(kind), point)
}

// Events reads up to limit events after a number, of those that a filter leaves; its names are those of GET /v1/events.
func (c *Client) Events(ctx context.Context, after uint64, limit int, filter ...url.Values) (p api.EventPage, err error) {
	return p, c.get(ctx, &p, "/v1/events?after=%d&limit=%d%s", after, limit, filterOf(filter))
}

// NewestEvents reads the newest events, at most limit, of those that a filter leaves.
func (c *Client) NewestEvents(ctx context.Context, limit int, filter ...url.Values) (p api.EventPage, err error) {
	return p, c.get(ctx, &p, "/v1/events?limit=%d%s", limit, filterOf(filter))
}

func filterOf(filter []url.Values) (query string) {
	for _, f := range filter {
		if len(f) > 0 {
			query += "&" + f.Encode()
		}
	}
	return query
}

// Controls lists the newest controls, at most limit, of one RTU unless it is 0.
func (c *Client) Controls(ctx context.Context, rtu uint32, limit int) (list []api.Control, err error) {
	return list, c.get(ctx, &list, "/v1/controls?rtu=%d&limit=%d", rtu, limit)
}

// Control sends a control and returns when it is done, however it ended.
func (c *Client) Control(ctx context.Context, req api.ControlRequest) (done api.Control, err error) {
	ctx, cancel := context.WithTimeout(ctx, api.ControlTimeout+api.ProposeTimeout+api.ExpireTimeout)
	defer cancel()
	return done, c.call(ctx, http.MethodPost, "/v1/controls", req, &done)
}

// get reads the answer to a GET into out.
func (c *Client) get(ctx context.Context, out any, path string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return c.call(ctx, http.MethodGet, fmt.Sprintf(path, args...), nil, out)
}

// post sends body as JSON and reads the answer into out.
func (c *Client) post(ctx context.Context, out, body any, path string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return c.call(ctx, http.MethodPost, fmt.Sprintf(path, args...), body, out)
}

// call sends body as JSON and reads the answer into out.
func (c *Client) call(ctx context.Context, method, path string, body, out any) error {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(b)
	}
	resp, err := c.do(ctx, method, path, "application/json", content)
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
func (c *Client) do(ctx context.Context, method, path, contentType string, content io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.Base, "/")+path, content)
	if err != nil {
		return nil, fmt.Errorf("node address %q: %w", c.Base, err)
	}
	if content != nil {
		req.Header.Set("Content-Type", contentType)
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
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 16<<10))
	e := &api.Error{Status: resp.StatusCode}
	if err := json.Unmarshal(text, e); err != nil || e.Message == "" { // it's no node, or TLS is missing
		line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
		return nil, fmt.Errorf("%s answers %s %s with %s: %.200s", c.Base, method, path, resp.Status, line)
	}
	return nil, e
}
