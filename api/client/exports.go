package client

import (
	"context"

	"github.com/fepha/fepha/api"
)

// Exports lists the exports.
func (c *Client) Exports(ctx context.Context) (list []api.ExportStatus, err error) {
	return list, c.get(ctx, &list, "/v1/exports")
}

// PauseExport makes an export wait.
func (c *Client) PauseExport(ctx context.Context, name string) (e api.ExportStatus, err error) {
	return e, c.post(ctx, &e, api.ExportRequest{}, "/v1/exports/%s/pause", name)
}

// ResumeExport makes a paused export go on.
func (c *Client) ResumeExport(ctx context.Context, name string) (e api.ExportStatus, err error) {
	return e, c.post(ctx, &e, api.ExportRequest{}, "/v1/exports/%s/resume", name)
}

// ReplayExport has an export bring again what is still there from a record on.
func (c *Client) ReplayExport(ctx context.Context, name string, from uint64) (e api.ExportStatus, err error) {
	return e, c.post(ctx, &e, api.ExportRequest{From: from}, "/v1/exports/%s/replay", name)
}
