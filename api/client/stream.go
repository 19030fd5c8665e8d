package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/fepha/fepha/api"
)

// FollowEvents calls each for every event after a number that a filter leaves, as it comes, until ctx ends, the connection
// is lost or each returns an error.
func (c *Client) FollowEvents(ctx context.Context, after uint64, each func(api.Event) error, filter ...url.Values) error {
	return follow(ctx, c, fmt.Sprintf("/v1/events/stream?after=%d%s", after, filterOf(filter)), each)
}

// Trace calls each for the last frames that the node keeps of each link of a resource, such as rtu/1 or uplink/occ/main, and
// then for every frame as it comes, until ctx ends, the connection is lost or each returns an error.
func (c *Client) Trace(ctx context.Context, resource string, last int, each func(api.TraceLine) error) error {
	return follow(ctx, c, fmt.Sprintf("%s?last=%d", tracePath(resource), last), each)
}

// Capture writes the frames that the node keeps of a resource's links to w, as pcapng.
func (c *Client) Capture(ctx context.Context, resource string, w io.Writer) error {
	resp, err := c.do(ctx, http.MethodGet, tracePath(resource)+"/capture", "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("frames of %s: %w", c.Base, err)
	}
	return nil
}

func tracePath(resource string) string {
	parts := strings.Split(resource, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return "/v1/trace/" + strings.Join(parts, "/")
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
