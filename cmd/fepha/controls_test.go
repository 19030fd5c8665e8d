package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/trialcmd"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/internal/testneeds"
	"github.com/fepha/fepha/sim"
)

// What the end-to-end tests of controls need: a device with outputs of every
// type, three ways to operate it, and the books in which all of it has to
// agree: the device's operations, the answers, the state, the journal.

// outputTypes are the commands of DESIGN section 8, DO and then AO.
var outputTypes = []asdu.TypeID{
	asdu.C_SC_NA_1, asdu.C_DC_NA_1, asdu.C_RC_NA_1, asdu.C_SC_TA_1, asdu.C_DC_TA_1, asdu.C_RC_TA_1,
	asdu.C_SE_NA_1, asdu.C_SE_NB_1, asdu.C_SE_NC_1, asdu.C_BO_NA_1,
	asdu.C_SE_TA_1, asdu.C_SE_TB_1, asdu.C_SE_TC_1, asdu.C_BO_TA_1,
}

// Outputs may be operated from plainOutput on as they are, from selectOutput
// on only once they were selected; a type's place in outputTypes is added.
const (
	plainOutput  asdu.InformationObjectAddress = 7001
	selectOutput asdu.InformationObjectAddress = 7101
)

var categories = []string{"", "20", "26", "27", "29"}

func operatedDevice() rig.RTU {
	r := rig.RTU{Number: 1, Name: "device", CommonAddress: 1, Points: trialcmd.DemoPoints(), Categories: map[asdu.InformationObjectAddress]string{}}
	for i, t := range outputTypes {
		for _, first := range []asdu.InformationObjectAddress{plainOutput, selectOutput} {
			ioa := first + asdu.InformationObjectAddress(i)
			r.Points = append(r.Points, sim.DevicePoint{Address: ioa, Type: t, Select: first == selectOutput && t.Untimed() != asdu.C_BO_NA_1})
			r.Categories[ioa] = categories[i%len(categories)]
		}
	}
	return r
}

// order is a control to be given.
type order struct {
	ioa       asdu.InformationObjectAddress
	typ       asdu.TypeID // of the device's output
	value     float64     // as the device gets it
	selects   bool
	submitted time.Time
}

// newOrder asks for the n-th control. No two orders to one AO have one value,
// so the device's operations can be told apart.
func newOrder(ioa asdu.InformationObjectAddress, n int, selects bool) order {
	first := plainOutput
	if ioa >= selectOutput {
		first = selectOutput
	}
	o := order{ioa: ioa, typ: outputTypes[ioa-first], value: float64(n), selects: selects}
	switch o.typ.Untimed() {
	case asdu.C_SC_NA_1:
		o.value = float64(n % 2)
	case asdu.C_DC_NA_1, asdu.C_RC_NA_1:
		o.value = float64(1 + n%2)
	case asdu.C_SE_NA_1:
		o.value = float64(n) / (1 << 15)
	}
	return o
}

func (o order) isAO() bool { return o.typ.Untimed() >= asdu.C_SE_NA_1 }

func (o order) kind() string {
	if o.isAO() {
		return "ao"
	}
	return "do"
}

// outcome is the answer that an order got.
type outcome struct {
	order
	by  string // uplink, api or redis
	ok  bool
	err error // why not
	id  string
}

// operators are the ways to operate the station's device.
type operators struct {
	s     *rig.Station
	redis *redis.Client // nil: not one of the ways
	n     atomic.Int64  // requests to redis

	mu       sync.Mutex
	outcomes []outcome
}

func (o *operators) give(ctx context.Context, by string, or order) outcome {
	or.submitted = time.Now()
	out := outcome{order: or, by: by}
	switch by {
	case "uplink", "uplink, with time tag":
		out.err = o.s.Centre.Command(ctx, o.command(by, or))
		out.ok = out.err == nil
	case "redis":
		out.ok, out.err = o.viaRedis(ctx, or)
	default: // api of that node
		node := client.Client{Base: o.s.Node(by).API}
		var c api.Control
		c, out.err = node.Control(ctx, api.ControlRequest{
			RTU: 1, Kind: or.kind(), Point: uint32(or.ioa), Value: &or.value, Select: or.selects, TimeoutMs: 3000,
		})
		if out.id, out.ok = c.ID, out.err == nil && c.OK; out.err == nil && !c.OK {
			out.err = errors.New(c.Reason)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.outcomes = append(o.outcomes, out)
	return out
}

func (o *operators) command(by string, or order) iec104.Command {
	c := iec104.Command{
		CommonAddress: 100, Type: or.typ.Untimed(), SelectFirst: or.selects, AwaitTermination: true,
		Object: asdu.Object{Address: o.s.UplinkAddress(0, or.ioa), Value: or.value},
	}
	if by == "uplink, with time tag" {
		c.Type = or.typ.WithCP56()
		c.Object.Time = asdu.NewCP56Time2a(time.Now(), time.UTC)
	}
	return c
}

// viaRedis asks in ctl:req and waits for the answer in ctl:res.
func (o *operators) viaRedis(ctx context.Context, or order) (ok bool, err error) {
	id := "order-" + strconv.FormatInt(o.n.Add(1), 10)
	values := []any{"id", id, "rtu", 1, "kind", or.kind(), "point", uint32(or.ioa), "val", or.value, "select", or.selects,
		"deadline", time.Now().Add(3 * time.Second).UnixMilli()}
	if err := o.redis.XAdd(ctx, &redis.XAddArgs{Stream: "ctl:req", Values: values}).Err(); err != nil {
		return false, err
	}
	for {
		answers := o.answers(ctx, id)
		if len(answers) > 0 {
			if answers[0]["result"] == "ok" {
				return true, nil
			}
			return false, fmt.Errorf("%v: %v", answers[0]["result"], answers[0]["reason"])
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// answers are those in ctl:res to a request.
func (o *operators) answers(ctx context.Context, id string) (answers []map[string]any) {
	all, _ := o.redis.XRange(ctx, "ctl:res", "-", "+").Result()
	for _, m := range all {
		if m.Values["id"] == id {
			answers = append(answers, m.Values)
		}
	}
	return answers
}

// audit waits until every control has its end, and checks that the books
// agree: no order was operated twice, none that was answered ok not at all,
// and each control was ended once.
func (o *operators) audit(t *testing.T, ctx context.Context) {
	t.Helper()
	controls := o.allDone(t, ctx)
	o.auditDevice(t, controls)
	o.checkAudit(t, ctx, controls)
	for i := range o.n.Load() {
		id := fmt.Sprintf("order-%d", i+1)
		if n := len(o.answers(ctx, id)); n != 1 {
			t.Errorf("request %s has %d answers in ctl:res, want 1", id, n)
		}
	}
}

// allDone waits until every control has its end, and lists them.
func (o *operators) allDone(t *testing.T, ctx context.Context) []api.Control {
	t.Helper()
	allAnswer(t, ctx, o.s)
	for {
		controls, err := o.s.Client().Controls(ctx, 0, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		open := slices.IndexFunc(controls, func(c api.Control) bool { return c.Stage != "done" })
		if open < 0 {
			return controls
		}
		select {
		case <-ctx.Done():
			t.Fatalf("a control has no end: %+v: %v", controls[open], ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// allAnswer waits until no node is still starting.
func allAnswer(t *testing.T, ctx context.Context, s *rig.Station) {
	t.Helper()
	for _, n := range s.Nodes() {
		c := client.Client{Base: n.API}
		eventually(t, n.ID+" to answer", func() bool {
			st, err := c.Status(ctx)
			return err == nil && st.Quorum
		})
	}
}

// auditDevice compares what the device did with what was asked and answered.
func (o *operators) auditDevice(t *testing.T, controls []api.Control) {
	t.Helper()
	type output struct {
		ioa   asdu.InformationObjectAddress
		value float64
	}
	asked, confirmed, done := map[output]int{}, map[output]int{}, map[output]int{}
	key := func(ioa asdu.InformationObjectAddress, value float64) output {
		if value = float64(float32(value)); !newOrder(ioa, 0, false).isAO() {
			value = 0 // the states repeat
		}
		return output{ioa, value}
	}
	for _, out := range o.outcomes {
		k := key(out.ioa, out.value)
		if asked[k]++; out.ok {
			confirmed[k]++
		}
	}
	for _, op := range o.s.Devices[0].Operations() {
		done[key(op.Address, op.Value)]++
	}
	for k, n := range done {
		if n > asked[k] {
			t.Errorf("output %d, value %g: operated %d times, asked for %d times", k.ioa, k.value, n, asked[k])
		}
	}
	for k, n := range confirmed {
		if done[k] < n {
			t.Errorf("output %d, value %g: operated %d times, answered ok %d times", k.ioa, k.value, done[k], n)
		}
	}
	if len(controls) >= remembered {
		return // the state has forgotten some
	}
	executed := map[output]int{}
	for _, c := range controls {
		if c.StartedMs != 0 && (c.Phase == "direct" || c.Phase == "execute") {
			executed[key(asdu.InformationObjectAddress(c.Point), float64(c.Value))]++
		}
	}
	for k, n := range done {
		if n > executed[k] {
			t.Errorf("output %d, value %g: operated %d times, started %d times in the state", k.ioa, k.value, n, executed[k])
		}
	}
}

// remembered is how many controls that are done the state remembers at least.
const remembered = 1000

// checkAudit checks that each control is in the audit with one start at most and one end, but for those that were refused at
// once: they are told in bulk.
func (o *operators) checkAudit(t *testing.T, ctx context.Context, controls []api.Control) {
	t.Helper()
	started, ended := map[string]int{}, map[string]int{}
	for after := uint64(0); ; {
		page, err := o.s.Client().Events(ctx, after, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			if after = e.Seq; e.Note == nil || e.Note.Kind != "control" {
				continue
			}
			switch e.Note.Stage {
			case "executing":
				started[e.Note.Control]++
			case "done":
				ended[e.Note.Control]++
			}
		}
		if len(page.Events) == 0 || after >= page.Last {
			break
		}
	}
	for _, c := range controls {
		least, most := 1, 1
		if c.StartedMs == 0 && !c.OK {
			least = 0
		}
		if c.Phase == "select" && c.OK {
			most = 2 // its selection ends too
		}
		if n := ended[c.ID]; n < least || n > most {
			t.Errorf("control %s (%s by %s) has %d ends in the audit, want 1", c.ID, c.Phase, c.Origin, n)
		}
	}
	for id, n := range started {
		if n > 1 {
			t.Errorf("control %s was started %d times", id, n)
		}
	}
}

// startRedis starts a redis-server of the test's own.
func startRedis(t *testing.T) *redis.Client {
	t.Helper()
	path := testneeds.Program(t, "redis-server")
	address, err := rig.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--port", address[len("127.0.0.1:"):], "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: address})
	t.Cleanup(func() {
		_ = client.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	eventually(t, "redis-server answers", func() bool { return client.Ping(t.Context()).Err() == nil })
	return client
}

// eventually waits for a condition; the test fails after half a minute.
func eventually(t *testing.T, what string, good func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !good(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// newOperatedStation is a station with a device to be operated, and a Redis
// that all nodes share.
func newOperatedStation(t *testing.T) (*operators, context.Context) {
	t.Helper()
	if testing.Short() {
		t.Skip("end-to-end")
	}
	client := startRedis(t)
	s, ctx := newStation(t, rig.Options{
		RTUs: []rig.RTU{operatedDevice()}, Redis: fmt.Sprintf("{mode: shared, address: %q}", client.Options().Addr),
	})
	return &operators{s: s, redis: client}, ctx
}
