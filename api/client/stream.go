package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/fepha/fepha/api"
)

// FollowEvents calls each for every event after a number, as it comes, until
// ctx ends, the connection is lost or each returns an error.
func (c *Client) FollowEvents(ctx context.Context, after uint64, each func(api.Event) error) error {
	return follow(ctx, c, fmt.Sprintf("/v1/events/stream?after=%d", after), each)
}

// TraceRTU calls each for every frame between the node and an RTU, as it comes,
// until ctx ends, the connection is lost or each returns an error.
func (c *Client) TraceRTU(ctx context.Context, number uint32, each func(api.TraceLine) error) error {
	return follow(ctx, c, fmt.Sprintf("/v1/trace/rtu/%d", number), each)
}

// TraceUplink is TraceRTU for the clients of an uplink's group.
func (c *Client) TraceUplink(ctx context.Context, name, group string, each func(api.TraceLine) error) error {
	return follow(ctx, c, "/v1/trace/uplink/"+url.PathEscape(name)+"/"+url.PathEscape(group), each)
}

// follow reads server-sent events.
func follow[T any](ctx context.Context, c *Client, path string, each func(T) error) error {
	resp, err := c.do(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var v T
		if err := json.Unmarshal([]byte(data), &v); err != nil {
			return fmt.Errorf("stream of %s: %w", c.Base, err)
		}
		if err := each(v); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: the stream of %s was lost: %w", ErrUnreachable, c.Base, err)
	}
	return fmt.Errorf("%w: %s has ended the stream", ErrUnreachable, c.Base)
}
