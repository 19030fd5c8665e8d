package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica/replicatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// guarded is the guard of a station in memory with a user and a token.
type guarded struct {
	*Guard
	station *replicatest.Station
}

const (
	aliceSession = "alice-5vGq0dTz9Lw3Rn8K"
	hmiToken     = "hmi-5vGq0dTz9Lw3Rn8K"
)

func newGuarded(t *testing.T) guarded {
	t.Helper()
	station := replicatest.New(t, &fsmpb.Configure{Digest: "test", Nodes: []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: "fep"}}})
	station.Elect("fep1", 1)
	hash, err := bcrypt.GenerateFromPassword([]byte("alice's password"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	session, token := sha256.Sum256([]byte(aliceSession)), sha256.Sum256([]byte(hmiToken))
	for _, c := range []*fsmpb.Command{
		{Op: &fsmpb.Command_UserPut{UserPut: &fsmpb.UserPut{Name: "alice", Create: true, Role: fsmpb.Role(fsm.Viewer), Hash: string(hash)}}},
		{Op: &fsmpb.Command_SessionOpen{SessionOpen: &fsmpb.SessionOpen{Id: session[:], User: "alice", Revision: 1}}},
		{Op: &fsmpb.Command_TokenPut{TokenPut: &fsmpb.TokenPut{Name: "hmi", Role: fsmpb.Role(fsm.Viewer), Sha256: token[:]}}},
	} {
		station.Do(t, "fep1", c)
	}
	return guarded{New(Config{
		Node: station.Node("fep1"), Security: &Security{}, JSON: rest.JSON{Zone: time.UTC}, Log: slog.New(slog.DiscardHandler), PasswordCost: bcrypt.MinCost,
	}), station}
}

// asks has a viewer's route asked for, and returns the status; 200 where it was let through.
func (g guarded) asks(t *testing.T, r *http.Request) int {
	t.Helper()
	w := httptest.NewRecorder()
	err := g.Authorise(Rule{Role: fsm.Viewer}, func(http.ResponseWriter, *http.Request) error { return nil })(w, r)
	e, _ := errors.AsType[*api.Error](err)
	if err != nil && e == nil {
		t.Fatal(err)
	}
	if e != nil {
		return e.Status
	}
	return http.StatusOK
}

// A session ends when it was idle, as far as this node knows by itself: the group is told later.
func TestIdleSessionsEnd(t *testing.T) {
	g := newGuarded(t)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", cookieName+"="+aliceSession)
	now := time.Now()
	if _, ok := g.bySession(r, now.Add((fsm.SessionIdleMs-1000)*time.Millisecond)); !ok {
		t.Error("ended before it was idle for long enough")
	}
	if _, ok := g.bySession(r, now.Add(2*(fsm.SessionIdleMs-2000)*time.Millisecond)); !ok {
		t.Error("ended although it was used")
	}
	if _, ok := g.bySession(r, now.Add(3*fsm.SessionIdleMs*time.Millisecond)); ok {
		t.Error("goes on although it was idle")
	}
}

// When sessions and tokens are used is told to the group, late and seldom.
func TestUsesAreTold(t *testing.T) {
	g := newGuarded(t)
	told := func() (token int64, proposals uint64) {
		g.uses.tellOnce(t.Context(), g.node)
		g.node.View(func(st *fsm.State) { token = st.Access().Tokens()[0].UsedMs })
		index, _ := g.node.Applied()
		return token, index
	}
	ask := func() {
		t.Helper()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+hmiToken)
		if status := g.asks(t, r); status != http.StatusOK {
			t.Fatal(status)
		}
	}
	_, before := told()
	ask()
	used, after := told()
	if used == 0 || after != before+1 {
		t.Errorf("used at %d, by %d entries", used, after-before)
	}
	ask()
	if again, third := told(); again != used || third != after {
		t.Errorf("told again at once: at %d after %d, by %d entries", again, used, third-after)
	}
}

// Refusals stand in the audit in bulk, by who they were told to; who isn't known is told by his address.
func TestRefusalsAreAudited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { g.Run(ctx) })
		defer running.Wait()
		defer cancel()
		const strangers = 20
		for i := range strangers {
			r := httptest.NewRequest("GET", "/v1/status", nil)
			r.RemoteAddr = fmt.Sprintf("10.0.0.%d:1", i)
			if status := g.asks(t, r); status != http.StatusUnauthorized {
				t.Fatal(status)
			}
		}
		for range 3 {
			r := httptest.NewRequest("POST", "/v1/rtus/1/pin", nil)
			r.Header.Set("Cookie", cookieName+"="+aliceSession)
			_ = g.Authorise(Rule{Role: fsm.Operator}, nil)(httptest.NewRecorder(), r)
			r = httptest.NewRequest("POST", LoginPath, nil)
			g.note(r, caller{}, errors.New("wrong"))
		}
		time.Sleep(useInterval)
		told, total := map[string]uint64{}, uint64(0)
		g.node.View(func(st *fsm.State) {
			for _, e := range st.ReadAudit(0, 1000) {
				if e.Note.Kind == fsm.NoteRefused {
					told[e.Note.To+" of "+e.Note.Origin] += e.Note.Count
					total += e.Note.Count
				}
			}
		})
		if total != 6+strangers || told["api request of api:10.0.0.0"] != 1 || told["api request of api:alice"] != 3 || told["login of api:192.0.2.1"] != 3 {
			t.Errorf("%d told in all: %v", total, told)
		}
	})
}

// A token that was made on another node a moment ago is good here too, though this node has yet to hear of it. What nobody has made
// is refused after a while, and keeps few waiting.
func TestTokensThatComeLate(t *testing.T) {
	g := newGuarded(t)
	request := func(secret string) *http.Request {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+secret)
		return r
	}
	node := g.station.Node("fep1")
	node.Lag(true)
	const secret = "late-5vGq0dTz9Lw3Rn8K"
	sum := sha256.Sum256([]byte(secret))
	g.station.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_TokenPut{TokenPut: &fsmpb.TokenPut{Name: "late", Role: fsmpb.Role(fsm.Viewer), Sha256: sum[:]}}})
	status := make(chan int, 1)
	go func() { status <- g.asks(t, request(secret)) }()
	for end := time.Now().Add(10 * time.Second); len(g.latecomers.turns) == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	node.Lag(false)
	if got := <-status; got != http.StatusOK {
		t.Errorf("a token that comes late: %d", got)
	}

	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t)
		began, waited := time.Now(), atomic.Int64{}
		var all sync.WaitGroup
		for range 5 * maxLatecomers {
			all.Go(func() {
				if got := g.asks(t, request("nobody's")); got != http.StatusUnauthorized {
					t.Error(got)
				}
				if time.Since(began) > 0 {
					waited.Add(1)
				}
			})
		}
		all.Wait()
		if n := waited.Load(); n != maxLatecomers || time.Since(began) != latePatience {
			t.Errorf("%d waited, %v", n, time.Since(began))
		}
	})
}
