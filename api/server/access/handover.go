package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// A page whose node is lost goes on at another one, to which the browser doesn't send the lost one's cookie. So the page has a code,
// which its node gives it over the live stream. It sends it to the other node in the body of a form, by which the browser goes
// there: no other request from another site may set a cookie that is SameSite=Strict.

// TakePath is the route that gives a session for a code.
const TakePath = "/v1/session/take"

const (
	// MaxTake is what a request with a code may have, octets: where the page was is in it.
	MaxTake = 8 << 10

	codeEvery    = time.Minute      // a fifth of how long it's good for
	codeAgain    = 10 * time.Second // after one that could not be given
	codePatience = time.Second
)

// Codes gives the codes of one page's stream.
type Codes struct {
	g    *Guard
	id   [sha256.Size]byte // of the session
	next time.Time
}

// Codes gives the caller's page codes; nil, which gives none: the caller has no session.
func (g *Guard) Codes(r *http.Request) *Codes {
	c := callerOf(r)
	if c.kind != byUser {
		return nil
	}
	return &Codes{g: g, id: c.session}
}

// Next is a new code, once a minute; "": it's not time, or the group can't keep one just now.
func (c *Codes) Next(ctx context.Context, now time.Time) string {
	if c == nil || now.Before(c.next) {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, codePatience)
	defer cancel()
	secret := rand.Text()
	sum := sha256.Sum256([]byte(secret))
	if err := rest.Propose(ctx, c.g.node, &fsmpb.Command{Op: &fsmpb.Command_SessionCode{SessionCode: &fsmpb.SessionCode{Session: c.id[:], Code: sum[:]}}}); err != nil {
		c.next = now.Add(codeAgain)
		return ""
	}
	c.next = now.Add(codeEvery)
	return secret
}

// Take opens a session for whoever has a code, and shows the page where it was. Without a good one the page is shown too, and asks
// who is there.
func (g *Guard) Take(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return rest.BodyError(err)
	}
	code, at := r.PostForm.Get("code"), r.PostForm.Get("at")
	if !strings.HasPrefix(at, "#/") || strings.ContainsFunc(at, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		at = "" // where the page was can be nothing but a part of the page
	}
	secret := rand.Text()
	sum, id := sha256.Sum256([]byte(code)), sha256.Sum256([]byte(secret))
	err := g.take(r.Context(), &fsmpb.SessionTake{Code: sum[:], Id: id[:], Address: hostOf(r.RemoteAddr)})
	if err != nil {
		g.note(r, callerOf(r), err)
	} else {
		http.SetCookie(w, sessionCookie(r, secret))
	}
	w.Header().Set("Location", "/"+at)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// take asks until the group has answered: a node that was lost may have led it. Asked again the answer is the same.
func (g *Guard) take(ctx context.Context, op *fsmpb.SessionTake) (err error) {
	for range takeAttempts {
		err = rest.Propose(ctx, g.node, &fsmpb.Command{Op: &fsmpb.Command_SessionTake{SessionTake: op}})
		if !errors.Is(err, replica.ErrNoLeader) && !errors.Is(err, replica.ErrUnknownOutcome) {
			return err
		}
		select {
		case <-time.After(takePause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// How often the group is asked, while nobody leads it.
const (
	takeAttempts = 10
	takePause    = 300 * time.Millisecond
)
