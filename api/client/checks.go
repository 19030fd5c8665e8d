package client

import (
	"context"
	"net/url"

	"github.com/fepha/fepha/api"
)

// Checks lists the checks of points, without the points.
func (c *Client) Checks(ctx context.Context) (list []api.Check, err error) {
	return list, c.get(ctx, &list, "/v1/checks")
}

// Check reads the check of an RTU's points.
func (c *Client) Check(ctx context.Context, rtu uint32) (k api.Check, err error) {
	return k, c.get(ctx, &k, "/v1/checks/%d", rtu)
}

// StartCheck begins a check, or brings one up to date with the RTU's table.
func (c *Client) StartCheck(ctx context.Context, rtu uint32, req api.CheckStart) (k api.Check, err error) {
	return k, c.post(ctx, &k, req, "/v1/checks/%d", rtu)
}

// Tick says of a point that it is right, or wrong.
func (c *Client) Tick(ctx context.Context, rtu uint32, req api.CheckTick) (k api.Check, err error) {
	return k, c.post(ctx, &k, req, "/v1/checks/%d/tick", rtu)
}

// EndCheck ends a check, or throws it away.
func (c *Client) EndCheck(ctx context.Context, rtu uint32, discard bool) error {
	var d api.Done
	return c.post(ctx, &d, api.CheckEnd{Discard: discard}, "/v1/checks/%d/end", rtu)
}

// Compare compares a control centre's list of points, a CSV or XLSX file, with the table of an uplink.
func (c *Client) Compare(ctx context.Context, uplink string, list []byte) (r api.Comparison, err error) {
	return r, c.upload(ctx, &r, list, "/v1/uplinks/"+url.PathEscape(uplink)+"/compare")
}
