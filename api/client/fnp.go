package client

import (
	"context"
	"net/http"
	"time"

	"github.com/fepha/fepha/api"
)

// FNP reads how FNP stands.
func (c *Client) FNP(ctx context.Context) (st api.FNPStatus, err error) {
	return st, c.get(ctx, &st, "/v1/fnp")
}

// FNPTable reads a page of the channel table: at most limit stations after a channel.
func (c *Client) FNPTable(ctx context.Context, after uint16, limit int) (t api.FNPTable, err error) {
	return t, c.get(ctx, &t, "/v1/fnp/table?after=%d&limit=%d", after, limit)
}

// FNPEntry reads a station's entry.
func (c *Client) FNPEntry(ctx context.Context, id uint64) (e api.FNPEntry, err error) {
	return e, c.get(ctx, &e, "/v1/fnp/table/%d", id)
}

// FNPLeave makes a station offline as if it had left.
func (c *Client) FNPLeave(ctx context.Context, id uint64) (e api.FNPEntry, err error) {
	return e, c.post(ctx, &e, struct{}{}, "/v1/fnp/table/%d/leave", id)
}

// FNPSend sends data from the pair's endpoint, through the node that owns it, and returns when it is acknowledged.
func (c *Client) FNPSend(ctx context.Context, m api.FNPMessage) (sent api.FNPSent, err error) {
	ctx, cancel := context.WithTimeout(ctx, api.SendTimeout+5*time.Second)
	defer cancel()
	return sent, c.call(ctx, http.MethodPost, "/v1/fnp/send", m, &sent)
}

// FNPMessages reads up to limit of the messages that the endpoint has got after a number, oldest first.
func (c *Client) FNPMessages(ctx context.Context, after uint64, limit int) (m api.FNPMessages, err error) {
	return m, c.get(ctx, &m, "/v1/fnp/messages?after=%d&limit=%d", after, limit)
}
