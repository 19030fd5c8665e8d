package bystander

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

const (
	orderRate   = 4 // controls a second, on each way
	orderTime   = 8 * time.Second
	orderAtOnce = 32
	upFrom      = 1 << 23 // values of the orders through the uplink begin here, those through the API at 1
)

// operator sends controls through the API of all nodes in turn, and the control centre does through the uplink. Each sets an AO to a
// value that no other one has, so it is known of each what the device did for it.
type operator struct {
	g        Ground
	api, up  *Account
	mu       sync.Mutex
	orders   []order
	controls map[string]api.Control // by id, as the nodes list them
}

// outcome is what was said of an order.
type outcome int

const (
	unknown outcome = iota // it may have been executed
	succeeded
	refused // it never was executed, nor will be
	failed  // it may have been executed
)

// order is one control that was asked for.
type order struct {
	value   float64
	outcome outcome
	said    string // by the station, if it didn't succeed
}

func newOperator(g Ground, now time.Time) *operator {
	return &operator{
		g: g, controls: map[string]api.Control{},
		api: newAccount("operator, through the API", now), up: newAccount("operator, through the uplink", now),
	}
}

// Accounts implements Bystander.
func (o *operator) Accounts() []*Account { return []*Account{o.api, o.up} }

// account is that of an order.
func (o *operator) account(value float64) *Account {
	if value >= upFrom {
		return o.up
	}
	return o.api
}

// Run implements Bystander.
func (o *operator) Run(ctx, look context.Context) {
	together(
		func() { o.orderAll(ctx, look, 1, o.throughAPI) },
		func() { o.orderAll(ctx, look, upFrom, o.throughUplink) },
		func() { pace(ctx, 1, func(n int) { o.list(ctx, n) }) },
	)
	// A node may be behind, and what nobody answered has to be done first.
	limited, cancel := context.WithCancel(look)
	defer cancel()
	pace(limited, 2, func(n int) {
		if o.list(limited, n) && o.allDone() {
			cancel()
		}
	})
	told := o.refusals(look)
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, wrong := range judge(o.orders, o.controls, o.g.Operations()) {
		o.account(wrong.value).never("the control of value %v %s", wrong.value, wrong.what)
	}
	for _, t := range told {
		if strings.Contains(t, o.g.Resource) {
			o.up.never("the audit tells of a refusal: %s", t)
		} else {
			o.api.never("the audit tells of a refusal: %s", t)
		}
	}
}

// orderAll gives orders until ctx ends, and waits for what becomes of them.
func (o *operator) orderAll(ctx, look context.Context, from int, give func(ctx context.Context, n int, value float64) order) {
	var under sync.WaitGroup
	slots := make(chan struct{}, orderAtOnce)
	pace(ctx, orderRate, func(n int) {
		value := float64(from + n)
		select {
		case slots <- struct{}{}:
		default:
			o.account(value).did("not sent, since so many are under way")
			return
		}
		under.Go(func() {
			defer func() { <-slots }()
			given := give(look, n, value)
			switch account := o.account(value); given.outcome {
			case succeeded:
				account.got("executed", time.Now())
			case refused:
				account.did("refused")
			case failed:
				account.did("failed")
			case unknown:
				account.did("not answered")
			}
			o.mu.Lock()
			defer o.mu.Unlock()
			o.orders = append(o.orders, given)
		})
	})
	o.account(float64(from)).end(time.Now())
	under.Wait()
}

func (o *operator) throughAPI(ctx context.Context, n int, value float64) order {
	ctx, cancel := context.WithTimeout(ctx, orderTime+2*time.Second)
	defer cancel()
	done, err := o.g.APIs[n%len(o.g.APIs)].Control(ctx, api.ControlRequest{
		RTU: o.g.RTU, Kind: "ao", Point: o.g.Points[n%len(o.g.Points)], Value: &value, TimeoutMs: orderTime.Milliseconds(),
	})
	said := order{value: value}
	switch e, isReply := errors.AsType[*api.Error](err); {
	case err == nil && done.Stage == "done" && done.OK:
		said.outcome = succeeded
	case err == nil:
		said.outcome, said.said = failed, done.Stage+": "+done.Reason
	case isReply:
		said.said = string(e.Code) + ": " + e.Message
		if e.Code == api.CodeOverloaded || e.Code == api.CodeInvalid || e.Code == api.CodeUnauthorised {
			said.outcome = refused
		}
	}
	return said
}

func (o *operator) throughUplink(ctx context.Context, n int, value float64) order {
	ctx, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	err := o.g.Command(ctx, iec104.Command{
		CommonAddress: o.g.Uplink, Type: asdu.C_SE_NC_1, Object: asdu.Object{Address: o.g.Objects[n%len(o.g.Objects)], Value: value},
		AwaitTermination: true,
	})
	said := order{value: value}
	switch {
	case err == nil:
		said.outcome = succeeded
		return said
	case errors.Is(err, sim.ErrNoMainLink), errors.Is(err, iec104.ErrNotSent):
		said.outcome = refused
	}
	if _, negative := errors.AsType[*iec104.NegativeError](err); negative {
		said.outcome = failed // the device's own refusal looks the same
	}
	said.said = err.Error()
	return said
}

// list asks a node for the newest controls. They are asked for often enough that none is missed.
func (o *operator) list(ctx context.Context, n int) bool {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	list, err := o.g.APIs[n%len(o.g.APIs)].Controls(ctx, o.g.RTU, 1000)
	if err != nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range list {
		if o.controls[c.ID].Stage != "done" {
			o.controls[c.ID] = c
		}
	}
	return true
}

// allDone tells whether no control is under way, as far as is known.
func (o *operator) allDone() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.controls {
		if c.Stage != "done" {
			return false
		}
	}
	return true
}

// refusals are what the audit tells of quotas that were used up, of the operator or the control centre. There is no other trace of a
// command that a node has refused by itself.
func (o *operator) refusals(ctx context.Context) (told []string) {
	err := errors.New("no node was asked")
	for n := 0; err != nil && ctx.Err() == nil; n++ {
		told = nil
		err = o.g.APIs[n%len(o.g.APIs)].EachAudit(ctx, 0, func(e api.AuditEntry) error {
			if fsm.IsControlQuota(e.Content) && (strings.Contains(e.Content, o.g.Resource) || strings.Contains(e.Content, o.g.Operator)) {
				told = append(told, e.Text)
			}
			return nil
		})
	}
	if err != nil {
		o.api.never("the audit can't be read: %v", err)
	}
	return told
}
