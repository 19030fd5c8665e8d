package node

import (
	"errors"
	"reflect"

	"github.com/fepha/fepha/acquisition"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/forwarder"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/node/rollout"
	"github.com/fepha/fepha/replica"
	"github.com/fepha/fepha/trend"
)

// A runner runs this node by its configuration, which a rollout may change.
type runner struct {
	current *current
	replica replica.Owner

	trend *trend.Recorder

	// Of a FEP; nil on the witness.
	acquisition *acquisition.Manager
	forwarder   *forwarder.Forwarder
}

// unanswered is for the API.
func (r *runner) unanswered(rtu uint32) (never, noLonger []fsm.PointKey, ok bool) {
	u, ok := r.acquisition.Unanswered(rtu)
	return u.Never, u.NoLonger, ok
}

var _ rollout.Runner = (*runner)(nil)

// Running implements rollout.Runner.
func (r *runner) Running() rollout.Running {
	in := r.current.in.Load()
	return rollout.Running{Station: in.station, Digest: in.digest, Uplinks: in.uplinks}
}

// Check implements rollout.Runner.
func (r *runner) Check(next *configs.Station) error {
	if r.acquisition == nil {
		return nil
	}
	uplinks, errTLS := forwarderUplinks(r.current, next, r.replica.ID())
	rtus, err := acquisitionRTUs(r.current, next)
	if err := errors.Join(err, errTLS); err != nil {
		return err
	}
	_, errRTUs := acquisition.New(acquisition.Config{Replica: r.replica, RTUs: rtus})
	_, errUplinks := forwarder.New(forwarder.Config{Replica: r.replica, Uplinks: uplinks})
	return errors.Join(errRTUs, errUplinks)
}

// Run implements rollout.Runner.
func (r *runner) Run(next *configs.Station) error {
	uplinks, errUplinks := forwarderUplinks(r.current, next, r.replica.ID())
	rtus, errRTUs := acquisitionRTUs(r.current, next)
	err := errors.Join(errUplinks, errRTUs)
	r.current.set(next)
	self, _ := next.Node(r.replica.ID())
	boundMemory(next, self.Role)
	r.trend.Configure(trend.Shape(next.Trend))
	if err != nil || r.acquisition == nil {
		return err
	}
	return errors.Join(r.acquisition.Configure(rtus), r.forwarder.Configure(uplinks))
}

// Reconnects implements rollout.Runner.
func (r *runner) Reconnects(from, to *configs.RTU) bool {
	return acquisitionRTU(from).Concerned(acquisitionRTU(to)) || !reflect.DeepEqual(from.TLS, to.TLS)
}
