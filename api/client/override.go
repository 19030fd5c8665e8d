package client

import (
	"context"
	"net/url"

	"github.com/fepha/fepha/api"
)

// Block has a point keep its value, marked BL. It returns the point as it is then.
func (c *Client) Block(ctx context.Context, rtu uint32, kind string, point uint32, req api.OverrideRequest) (p api.Point, err error) {
	return p, c.override(ctx, &p, rtu, kind, point, "block", req)
}

// Substitute gives a point a value by hand, marked SB.
func (c *Client) Substitute(ctx context.Context, rtu uint32, kind string, point uint32, req api.OverrideRequest) (p api.Point, err error) {
	return p, c.override(ctx, &p, rtu, kind, point, "substitute", req)
}

// ReleasePoint takes that back: what the device says is in force again.
func (c *Client) ReleasePoint(ctx context.Context, rtu uint32, kind string, point uint32) (p api.Point, err error) {
	return p, c.override(ctx, &p, rtu, kind, point, "release", api.OverrideRequest{})
}

func (c *Client) override(ctx context.Context, p *api.Point, rtu uint32, kind string, point uint32, what string, req api.OverrideRequest) error {
	return c.post(ctx, p, req, "/v1/points/%d/%s/%d/%s", rtu, url.PathEscape(kind), point, what)
}

// Trend reads the last hour of an analog.
func (c *Client) Trend(ctx context.Context, rtu uint32, point uint32) (t api.Trend, err error) {
	return t, c.get(ctx, &t, "/v1/points/%d/ai/%d/trend", rtu, point)
}

// Operable lists the points of an RTU that can be operated.
func (c *Client) Operable(ctx context.Context, rtu uint32) (list []api.Operable, err error) {
	return list, c.get(ctx, &list, "/v1/rtus/%d/controls", rtu)
}
