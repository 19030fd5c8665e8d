package rig

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
)

// Client talks to the API of a running node.
func (s *Station) Client() *client.Client {
	for _, n := range s.nodes {
		if n.answers() {
			return &n.client
		}
	}
	return &client.Client{}
}

// Status asks all nodes and returns the newest answer of those with a quorum:
// one that was cut off takes a while to notice. Hostile neighbours aren't in it.
func (s *Station) Status(ctx context.Context) (api.Status, error) {
	errs := []error{errors.New("no node answers with a quorum")}
	var newest *api.Status
	for _, n := range s.nodes {
		if !n.answers() {
			continue
		}
		st, err := n.status(ctx)
		if err == nil && !st.Quorum {
			err = errors.New("no quorum")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", n.ID, err))
		} else if newest == nil || st.Term > newest.Term || st.Term == newest.Term && st.CommitIndex > newest.CommitIndex {
			newest = &st
		}
	}
	if newest == nil {
		return api.Status{}, errors.Join(errs...)
	}
	return s.withoutHostile(*newest), nil
}

// statusTimeout is how long a node may take to tell its status.
const statusTimeout = 2 * time.Second

func (n *Node) status(ctx context.Context) (api.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	return n.client.Status(ctx)
}

// WaitFor asks for the status until good accepts it. It gives up when a node
// ends by itself, or with the last status when ctx ends.
func (s *Station) WaitFor(ctx context.Context, what string, good func(api.Status) bool) (api.Status, error) {
	var last api.Status
	var lastErr error
	for {
		if err := s.supervise(); err != nil {
			return last, fmt.Errorf("waiting for %s: %w", what, err)
		}
		st, err := s.Status(ctx)
		if err == nil {
			if good(st) {
				return st, nil
			}
			last = st
		}
		lastErr = err
		if err := Pause(ctx, 10*time.Millisecond); err != nil {
			return last, fmt.Errorf("waiting for %s: %w (last status %.4000s, last error %v)", what, err, fmt.Sprintf("%+v", last), lastErr)
		}
	}
}

// Complete is the condition that every RTU has an owner, is on line, and the
// control centre is connected.
func Complete(st api.Status) bool {
	for _, u := range st.Uplinks {
		if u.Owner == "" || len(u.Links) == 0 {
			return false
		}
	}
	return Collects(st)
}

// Collects is the condition that every RTU has an owner and is on line.
func Collects(st api.Status) bool {
	for _, r := range st.RTUs {
		if r.Owner == "" || !r.Online || !slices.ContainsFunc(r.Channels, func(c api.ChannelStatus) bool {
			return slices.ContainsFunc(c.Links, func(l map[string]string) bool { return l[r.Owner] == "active" })
		}) {
			return false
		}
	}
	return st.Leader != "" && len(st.RTUs) > 0
}
