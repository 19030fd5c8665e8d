package client

import (
	"context"
	"net/url"

	"github.com/fepha/fepha/api"
)

// WhoAmI tells whom the node takes the caller for.
func (c *Client) WhoAmI(ctx context.Context) (who api.Caller, err error) {
	return who, c.get(ctx, &who, "/v1/whoami")
}

// Users lists the users.
func (c *Client) Users(ctx context.Context) (users []api.User, err error) {
	return users, c.get(ctx, &users, "/v1/users")
}

// FirstAdmin makes the first user of a new station, an admin.
func (c *Client) FirstAdmin(ctx context.Context, r api.FirstAdminRequest) error {
	return c.post(ctx, new(api.Done), r, "/v1/first-admin")
}

// AddUser makes a user.
func (c *Client) AddUser(ctx context.Context, u api.UserRequest) error {
	return c.post(ctx, new(api.Done), u, "/v1/users")
}

// ChangeUser changes what u has of a user, who has to log in anew then.
func (c *Client) ChangeUser(ctx context.Context, name string, u api.UserRequest) error {
	return c.post(ctx, new(api.Done), u, "/v1/users/%s", url.PathEscape(name))
}

// RemoveUser removes a user.
func (c *Client) RemoveUser(ctx context.Context, name string) error {
	return c.post(ctx, new(api.Done), struct{}{}, "/v1/users/%s/remove", url.PathEscape(name))
}

// Tokens lists the station's tokens and those of the node's file.
func (c *Client) Tokens(ctx context.Context) (tokens []api.Token, err error) {
	return tokens, c.get(ctx, &tokens, "/v1/tokens")
}

// CreateToken makes a token.
func (c *Client) CreateToken(ctx context.Context, t api.TokenRequest) (made api.NewToken, err error) {
	return made, c.post(ctx, &made, t, "/v1/tokens")
}

// RevokeToken takes a token of the station out of force.
func (c *Client) RevokeToken(ctx context.Context, name string) error {
	return c.post(ctx, new(api.Done), struct{}{}, "/v1/tokens/%s/revoke", url.PathEscape(name))
}

// Revoked lists the certificates that are out of force.
func (c *Client) Revoked(ctx context.Context) (list []api.Revocation, err error) {
	return list, c.get(ctx, &list, "/v1/revoked")
}

// Revoke takes a certificate out of force.
func (c *Client) Revoke(ctx context.Context, r api.RevokeRequest) error {
	return c.post(ctx, new(api.Done), r, "/v1/revoked")
}
