package server

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/live"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/replica"
)

const (
	// liveTick is how often what is no part of the replicated state, such as who is heard of, is read again.
	liveTick = time.Second
)

// readParts takes the status apart.
func (s *Server) readParts() map[string]any {
	st := s.readStatus()
	parts := map[string]any{"journal": st.Journal}
	for _, n := range st.Nodes {
		parts["nodes/"+n.ID] = n
	}
	for _, r := range st.RTUs {
		parts["rtus/"+strconv.FormatUint(uint64(r.Number), 10)] = r
	}
	for _, u := range st.Uplinks {
		parts["uplinks/"+u.Name+"/"+u.Group] = u
	}
	for _, c := range st.Conditions {
		parts["conditions/"+c.ID] = c
	}
	st.Journal, st.Nodes, st.RTUs, st.Uplinks, st.Conditions = api.JournalStatus{}, nil, nil, nil, nil
	st.CommitIndex = 0 // it grows with each entry, and nobody reads it at a glance
	parts["station"] = st
	return parts
}

// streamLive sends the station at a glance as server-sent events, whole at first and then what changes, until the
// client goes.
func (s *Server) streamLive(w http.ResponseWriter, r *http.Request) error {
	if err := rest.CheckQuery(r, "lang"); err != nil {
		return err
	}
	out, err := s.streams.Begin(w, r)
	if err != nil {
		return err
	}
	defer out.Close()
	var version uint64
	spoke := time.Now()
	codes := s.guard.Codes(r)
	for range replica.Follow(r.Context(), s.cfg.Node, replica.Pace{Least: live.Pace, Most: liveTick}) {
		now := time.Now()
		m, next, err := s.parts.Changes(version, now)
		if err != nil {
			return err
		}
		if m == nil {
			m, next = new(api.LiveMessage), version
			m.Set, m.Gone = map[string]json.RawMessage{}, []string{}
		}
		if version != 0 { // what there is to see comes first
			m.Code = codes.Next(r.Context(), now)
		}
		if next != version || m.Code != "" {
			version, spoke = next, now
			if err = out.Send(0, m); err == nil {
				err = out.Flush()
			}
		} else if now.Sub(spoke) >= rest.Silence {
			spoke, err = now, out.Comment()
		}
		if err != nil {
			return nil // the client is gone
		}
	}
	return nil
}
