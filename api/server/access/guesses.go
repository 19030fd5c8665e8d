package access

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"

	"github.com/fepha/fepha/api"
)

// How often a password may be guessed wrong: so many at once, and then one each so often. Whoever guesses from one address is held
// up long before a user is, so that nobody is locked out by a neighbour's guesses.
const (
	guessesOfAddress  = 10
	guessOfAddress    = 30 * time.Second
	guessesOfName     = 30
	guessOfName       = 10 * time.Second
	maxGuessAddresses = 4096
	passwordPatience  = 5 * time.Second // for those before it
	passwordCost      = 12              // of bcrypt: about 0.3 s of one core
)

// guesses bounds the guessing of passwords, and what a password's check takes: one at a time.
type guesses struct {
	cost  int
	decoy func() string // hash of nobody's password
	turn  chan struct{}
	now   func() time.Time

	mu        sync.Mutex
	names     map[string]*rate.Limiter // of users; of those who are none there is one, ""
	addresses map[netip.Prefix]*rate.Limiter
}

func (g *guesses) init(cost int) {
	g.cost, g.turn, g.now = cost, make(chan struct{}, 1), time.Now
	g.names, g.addresses = map[string]*rate.Limiter{}, map[netip.Prefix]*rate.Limiter{}
	g.decoy = sync.OnceValue(func() string {
		hash, _ := bcrypt.GenerateFromPassword([]byte(rand.Text()), cost) // the cost is the only thing that could be wrong
		return string(hash)
	})
}

// begin waits for the turn to check a password, or refuses. What it returns ends the turn, and says whether the password was right,
// and whether there is such a user.
func (g *guesses) begin(ctx context.Context, name, address string) (done func(right, known bool), err error) {
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, &api.Error{Status: http.StatusServiceUnavailable, Code: api.CodeOverloaded, Message: "too many logins at once: try again later"}
	}
	from := prefixOf(address)
	if wait := g.wait(name, from); wait > 0 {
		<-g.turn
		return nil, &api.Error{
			Status: http.StatusTooManyRequests, Code: api.CodeOverloaded,
			Message: fmt.Sprintf("too many wrong passwords for this name or from this address: try again in %v", wait.Round(time.Second)),
		}
	}
	return func(right, known bool) {
		if !right {
			g.charge(name, known, from)
		}
		<-g.turn
	}, nil
}

// wait is how long this name and address have to wait; 0: not at all.
func (g *guesses) wait(name string, from netip.Prefix) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, longest := g.now(), time.Duration(0)
	for _, l := range []*rate.Limiter{g.names[name], g.addresses[from]} {
		if l == nil {
			continue
		}
		if have := l.TokensAt(now); have < 1 {
			longest = max(longest, time.Duration((1-have)/float64(l.Limit())*float64(time.Second)))
		}
	}
	return longest
}

// charge counts a wrong guess. Names that are nobody's cost the address alone: there is no end of them.
func (g *guesses) charge(name string, known bool, from netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if known {
		if g.names[name] == nil {
			g.names[name] = rate.NewLimiter(rate.Every(guessOfName), guessesOfName)
		}
		g.names[name].AllowN(now, 1)
	}
	l := g.addresses[from]
	if l == nil {
		g.forget(now)
		if len(g.addresses) >= maxGuessAddresses {
			from = netip.Prefix{} // all others together
		}
		if l = g.addresses[from]; l == nil {
			l = rate.NewLimiter(rate.Every(guessOfAddress), guessesOfAddress)
			g.addresses[from] = l
		}
	}
	l.AllowN(now, 1)
}

// forget forgets what has been quiet for long enough.
func (g *guesses) forget(now time.Time) {
	for name, l := range g.names {
		if l.TokensAt(now) >= guessesOfName {
			delete(g.names, name)
		}
	}
	for from, l := range g.addresses {
		if l.TokensAt(now) >= guessesOfAddress {
			delete(g.addresses, from)
		}
	}
}

// prefixOf is whom an address stands for: an IPv4 address for itself, an IPv6 one for its network of 64 bits, which one host may
// have whole. What is none, such as that of the socket on this host, is of nobody in particular.
func prefixOf(address string) netip.Prefix {
	ip, err := netip.ParseAddr(hostOf(address))
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits)
	return p
}
