package client

import (
	"context"
	"fmt"

	"github.com/fepha/fepha/api"
)

// Audit reads the entries of the audit after a number, oldest first, at most limit.
func (c *Client) Audit(ctx context.Context, after uint64, limit int) (p api.AuditPage, err error) {
	return p, c.get(ctx, &p, "/v1/audit?after=%d&limit=%d", after, limit)
}

// NewestAudit reads the newest entries of the audit, at most limit.
func (c *Client) NewestAudit(ctx context.Context, limit int) (p api.AuditPage, err error) {
	return p, c.get(ctx, &p, "/v1/audit?limit=%d", limit)
}

// EachAudit calls each for all entries of the audit after a number that are there now, until it returns an error.
func (c *Client) EachAudit(ctx context.Context, after uint64, each func(api.AuditEntry) error) error {
	for {
		page, err := c.Audit(ctx, after, 1000)
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			if err := each(e); err != nil {
				return err
			}
			after = e.Number
		}
		if len(page.Entries) == 0 || after >= page.Last {
			return nil
		}
	}
}

// FollowAudit calls each for the audit's entries that come after an event, in their place among the events, until ctx ends,
// the connection is lost or each returns an error.
func (c *Client) FollowAudit(ctx context.Context, after uint64, each func(api.Event) error) error {
	return follow(ctx, c, fmt.Sprintf("/v1/events/stream?kind=note&after=%d", after), each)
}
