package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/fepha/fepha/api"
)

// Raft reads the group's status as the node sees it.
func (c *Client) Raft(ctx context.Context) (r api.RaftStatus, err error) {
	return r, c.get(ctx, &r, "/v1/raft")
}

// Peers lists the group's members.
func (c *Client) Peers(ctx context.Context) (peers []api.RaftPeer, err error) {
	return peers, c.get(ctx, &peers, "/v1/raft/peers")
}

// Transfer moves leadership to a node, or to the most up-to-date FEP if to is
// empty.
func (c *Client) Transfer(ctx context.Context, to string) (d api.Done, err error) {
	return d, c.post(ctx, &d, api.PeerRequest{ID: to}, "/v1/raft/transfer")
}

// AddPeer makes a node a voter, or changes a voter's address.
func (c *Client) AddPeer(ctx context.Context, id, address string) (d api.Done, err error) {
	return d, c.post(ctx, &d, api.PeerRequest{ID: id, Address: address}, "/v1/raft/add")
}

// RemovePeer takes a node out of the group and revokes its certificate, unless that is to be kept.
func (c *Client) RemovePeer(ctx context.Context, id string, keepCertificate bool) (d api.Done, err error) {
	return d, c.post(ctx, &d, api.PeerRequest{ID: id, KeepCertificate: keepCertificate}, "/v1/raft/remove")
}

// TakeSnapshot makes the node write a snapshot and cut its log.
func (c *Client) TakeSnapshot(ctx context.Context) (d api.Done, err error) {
	ctx, cancel := context.WithTimeout(ctx, api.SnapshotTimeout)
	defer cancel()
	return d, c.call(ctx, http.MethodPost, "/v1/raft/snapshot", struct{}{}, &d)
}

// Snapshot writes the station's state to w, in the form that Restore reads.
func (c *Client) Snapshot(ctx context.Context, w io.Writer) error {
	resp, err := c.do(ctx, http.MethodGet, "/v1/raft/snapshot", "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("snapshot of %s: %w", c.Base, err)
	}
	return nil
}

// Restore replaces the state of the whole station by a snapshot. The node must
// be the leader.
func (c *Client) Restore(ctx context.Context, r io.Reader) (d api.Done, err error) {
	resp, err := c.do(ctx, http.MethodPost, "/v1/raft/restore", "application/octet-stream", r)
	if err != nil {
		return d, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&d); err != nil {
		return d, fmt.Errorf("answer of %s to a restore: %w", c.Base, err)
	}
	return d, nil
}
