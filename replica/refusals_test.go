package replica_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
	"github.com/fepha/fepha/replica/replicatest"
)

// refusedEntries are the audit's entries of refusals, as "count what origin: reason".
func refusedEntries(s *replicatest.Station) (told []string) {
	s.View(func(st *fsm.State) {
		for _, e := range st.ReadAudit(0, 1000) {
			if e.Note.Kind == fsm.NoteRefused {
				told = append(told, fmt.Sprintf("%d %s %s", e.Note.Count, e.Note.To, e.Note.Origin))
			}
		}
	})
	return told
}

func committed(s *replicatest.Station, is func(*fsmpb.Command) bool) (n int) {
	for _, c := range s.Committed() {
		if is(c) {
			n++
		}
	}
	return n
}

// Whoever asks in a loop costs a few entries of the log.
func TestRefusalsAreToldInBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := replicatest.New(t, configuration)
		r := replica.NewRefusals(s.Node("fep1"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		for i := range 60_000 { // a minute
			r.Add("login", "10.0.0.9", "", "wrong password")
			if i%1000 == 0 {
				r.Add("login", fmt.Sprintf("10.1.%d.1", i/1000), "", "wrong password")
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(2 * time.Minute)
		r.Add("login", "10.0.0.9", "", "wrong password")
		time.Sleep(2 * time.Minute)
		r.Add("login", "10.0.0.8", "", "wrong password")
		time.Sleep(time.Minute)
		if n := committed(s, func(c *fsmpb.Command) bool { return c.GetAudit() != nil }); n > 100 {
			t.Errorf("%d commands for 60,000 refusals", n)
		}
		var sum, told uint64
		for _, e := range refusedEntries(s) {
			var n uint64
			var what, who string
			fmt.Sscan(e, &n, &what, &who)
			if who == "10.0.0.9" {
				sum += n
				told++
			}
		}
		if sum != 60_001 || told > 5 {
			t.Errorf("%d refusals told in %d entries, want 60001 in a few", sum, told)
		}
		cancel()
		<-done
	})
}

// What can't be committed is told as soon as it can, even if nothing else is refused.
func TestRefusalsAreToldOnceTheyCanBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := replicatest.New(t, configuration)
		r := replica.NewRefusals(s.Node("fep1"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		s.SetLeader(false)
		for range 3 {
			r.Add("login", "10.0.0.9", "", "wrong password")
		}
		time.Sleep(time.Minute)
		s.SetLeader(true)
		time.Sleep(time.Minute)
		if told := refusedEntries(s); !slices.Equal(told, []string{"3 login 10.0.0.9"}) {
			t.Errorf("told %q", told)
		}
		cancel()
		<-done
	})
}

// What is beyond a requester's quota is refused without asking the state.
func TestOperatorSparesTheLogWhatIsBeyondTheQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := replicatest.New(t, configuration)
		o := replica.NewOperator(s.Node("fep1"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { o.Run(ctx); close(done) }()
		refused := 0
		for i := range 1000 {
			c := &fsmpb.ControlSubmit{Id: fmt.Sprint(i), Requester: "uplink/occ/a 10.0.0.9", Origin: "x", Rtu: 1, Kind: fsmpb.Kind_DO, Point: uint32(i), Type: 45,
				DeadlineMs: time.Now().Add(10 * time.Second).UnixMilli(), Alone: true}
			op, err := o.Submit(t.Context(), c)
			if no, ok := errors.AsType[*replica.RefusedError](err); ok && no.Result.GetMessage() != "" {
				refused++
			} else if err != nil {
				t.Fatal(err)
			} else {
				go op.Wait(ctx, time.Now().Add(10*time.Second), nil)
			}
			if i == 999 {
				if _, err := o.SubmitAsync(c).Wait(t.Context(), time.Now(), nil); err == nil {
					t.Error("an asynchronous one is beyond the quota too")
				}
			}
		}
		submitted := committed(s, func(c *fsmpb.Command) bool { return c.GetControlSubmit() != nil })
		if refused != 750 || submitted != 250 {
			t.Errorf("%d refused, %d asked of the state, want 750 and 250", refused, submitted)
		}
		if _, err := o.Submit(t.Context(), &fsmpb.ControlSubmit{Id: "other", Requester: "api anna", Origin: "x", Rtu: 1, Kind: fsmpb.Kind_DO, Type: 45,
			Point: 9999, DeadlineMs: time.Now().Add(10 * time.Second).UnixMilli(), Alone: true}); err != nil {
			t.Errorf("another requester: %v", err)
		}
		time.Sleep(30 * time.Second)
		if told := refusedEntries(s); len(told) == 0 {
			t.Error("nobody was told")
		}
		cancel()
		<-done
	})
}
