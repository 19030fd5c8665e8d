package client

import (
	"context"
	"net/url"

	"github.com/fepha/fepha/api"
)

// Conditions lists what is wrong.
func (c *Client) Conditions(ctx context.Context) (list api.Conditions, err error) {
	return list, c.get(ctx, &list, "/v1/conditions")
}

// GoneConditions lists what was wrong and isn't any more, the newest first, at most limit.
func (c *Client) GoneConditions(ctx context.Context, limit int) (list api.Conditions, err error) {
	return list, c.get(ctx, &list, "/v1/conditions/history?limit=%d", limit)
}

// Acknowledge notes that the caller has taken note of a condition.
func (c *Client) Acknowledge(ctx context.Context, id string) (cond api.Condition, err error) {
	return cond, c.post(ctx, &cond, struct{}{}, "/v1/conditions/%s/ack", url.PathEscape(id))
}
