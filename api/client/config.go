package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/fepha/fepha/api"
)

// Config reads what the node runs.
func (c *Client) Config(ctx context.Context) (s api.ConfigStatus, err error) {
	return s, c.get(ctx, &s, "/v1/config")
}

// ConfigSettings reads what the node runs, defaults written out: station.yaml as JSON.
func (c *Client) ConfigSettings(ctx context.Context) (settings json.RawMessage, err error) {
	return settings, c.get(ctx, &settings, "/v1/config/settings")
}

// ApplyConfig has all nodes put a configuration in force, or only check it and say what would change.
func (c *Client) ApplyConfig(ctx context.Context, bundle []byte, dryRun bool) (r api.ConfigReply, err error) {
	n := 0
	if dryRun {
		n = 1
	}
	return r, c.upload(ctx, &r, bundle, fmt.Sprintf("/v1/config?dry_run=%d", n))
}

// CheckConfig makes the node check whether it could run a configuration, once its state has the entry at index.
func (c *Client) CheckConfig(ctx context.Context, bundle []byte, index uint64) error {
	var d api.Done
	return c.upload(ctx, &d, bundle, fmt.Sprintf("/v1/config/check?index=%d", index))
}

// ConfigHistory reads which configurations are in force and were before, the newest first.
func (c *Client) ConfigHistory(ctx context.Context) (list []api.ConfigVersion, err error) {
	return list, c.get(ctx, &list, "/v1/config/history")
}

// ConfigFiles reads the files of a version, packed; 0: of the one in force.
func (c *Client) ConfigFiles(ctx context.Context, version uint64) ([]byte, error) {
	resp, err := c.do(ctx, http.MethodGet, fmt.Sprintf("/v1/config/files?version=%d", version), "", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
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
