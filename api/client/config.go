package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/fepha/fepha/api"
)

// Config reads what the node runs.
func (c *Client) Config(ctx context.Context) (s api.ConfigStatus, err error) {
	return s, c.get(ctx, &s, "/v1/config")
}

// ApplyConfig has all nodes put a configuration in force, or only check it and say what would change.
func (c *Client) ApplyConfig(ctx context.Context, bundle []byte, dryRun bool) (r api.ConfigReply, err error) {
	n := 0
	if dryRun {
		n = 1
	}
	return r, c.upload(ctx, &r, bundle, fmt.Sprintf("/v1/config?dry_run=%d", n))
}

// StageConfig makes the node check a configuration and keep it for a stage.
func (c *Client) StageConfig(ctx context.Context, bundle []byte, stage, index uint64) error {
	var d api.Done
	return c.upload(ctx, &d, bundle, fmt.Sprintf("/v1/config/stage?stage=%d&index=%d", stage, index))
}

// upload posts octets and reads the answer into out.
func (c *Client) upload(ctx context.Context, out any, octets []byte, path string) error {
	ctx, cancel := context.WithTimeout(ctx, api.ConfigTimeout+api.ProposeTimeout)
	defer cancel()
	resp, err := c.do(ctx, http.MethodPost, path, "application/octet-stream", bytes.NewReader(octets))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("answer of %s to %s: %w", c.Base, path, err)
	}
	return nil
}
