package client

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/fepha/fepha/api"
)

// Inside writes what only the node itself knows of its inside to w, as a zip file; the processor's use is measured for so many
// seconds, 0 to [api.MaxProfile].
func (c *Client) Inside(ctx context.Context, cpuSeconds int, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, api.DebugTimeout)
	defer cancel()
	return c.Raw(ctx, fmt.Sprintf("/v1/debug/bundle?cpu_s=%d", cpuSeconds), w)
}

// Raw writes the answer to a GET of a path, with its query, to w as it is.
func (c *Client) Raw(ctx context.Context, path string, w io.Writer) error {
	resp, err := c.do(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("%s of %s: %w", path, c.Base, err)
	}
	return nil
}
