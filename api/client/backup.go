package client

import (
	"context"
	"net/http"

	"github.com/fepha/fepha/api"
)

// Backups lists those in the FEP's folder, the oldest first.
func (c *Client) Backups(ctx context.Context) (list []api.Backup, err error) {
	return list, c.get(ctx, &list, "/v1/backups")
}

// MakeBackup makes the FEP write one now.
func (c *Client) MakeBackup(ctx context.Context) (b api.Backup, err error) {
	ctx, cancel := context.WithTimeout(ctx, api.SnapshotTimeout)
	defer cancel()
	return b, c.call(ctx, http.MethodPost, "/v1/backups", struct{}{}, &b)
}
