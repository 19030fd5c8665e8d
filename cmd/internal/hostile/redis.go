package hostile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/fepha/fepha/cmd/internal/resp"
)

const (
	redisRate     = 20  // connections a second to each server, without the password
	redisKept     = 256 // of them open
	redisCommands = 50  // commands a second on the connection that knows the password
	redisTimeout  = 2 * time.Second
)

// Redis is an embedded server that somebody on its machine attacks.
type Redis struct {
	Address  string
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Password func() (string, error)
}

// redisClient takes connections to the embedded servers without knowing the password, and, as a program that does know it, runs scripts, writes
// what isn't its own, stores what is large and asks for what isn't there.
func redisClient(g Ground) *Part {
	return &Part{
		Name:  "Redis client",
		deeds: []string{"connections", "wrong passwords", "commands without a password", "announced too much", "scripts", "writes", "big values", "requests", "refused"},
		run: func(ctx context.Context, p *Part) {
			var busy sync.WaitGroup
			for _, r := range g.Redis {
				busy.Go(func() { r.hoard(ctx, p) })
				busy.Go(func() {
					pace(ctx, 2, func(int) bool {
						r.abuse(ctx, p)
						return true
					})
				})
			}
			busy.Wait()
		},
	}
}

// hoard takes connections and keeps them.
func (r Redis) hoard(ctx context.Context, p *Part) {
	var kept []net.Conn
	defer func() {
		for _, conn := range kept {
			_ = conn.Close()
		}
	}()
	pace(ctx, redisRate, func(n int) bool {
		dialed, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		conn, err := r.Dial(dialed, "tcp", r.Address)
		if err != nil {
			p.did("not let in")
			return true
		}
		p.did("connections")
		if kept = append(kept, conn); len(kept) > redisKept {
			_ = kept[0].Close()
			kept = kept[1:]
		}
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		switch n % 5 {
		case 0: // silent
		case 1:
			p.did("wrong passwords")
			_, _ = conn.Write(resp.Append(nil, "AUTH", fmt.Sprintf("guess %d", n)))
		case 2:
			p.did("commands without a password")
			_, _ = conn.Write(resp.Append(resp.Append(nil, "HELLO", "2"), "EVAL", "while true do end", "0"))
		case 3:
			p.did("announced too much")
			_, _ = conn.Write([]byte("*2\r\n$3\r\nSET\r\n$1073741824\r\n"))
		case 4:
			_, _ = conn.Write([]byte("*0\r\n*-1\r\n\r\nGET\r\n"))
		}
		return true
	})
}

// abuse sends commands on a connection with the password until it breaks.
func (r Redis) abuse(ctx context.Context, p *Part) {
	password, err := r.Password()
	if err != nil {
		return // the server hasn't made one yet
	}
	dialed, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := r.Dial(dialed, "tcp", r.Address)
	if err != nil {
		p.did("not let in")
		return
	}
	defer closedWith(ctx, conn)()
	in := bufio.NewReader(conn)
	ask := func(parts ...string) bool {
		_ = conn.SetDeadline(time.Now().Add(redisTimeout))
		if _, err := conn.Write(resp.Append(nil, parts...)); err != nil {
			return false
		}
		_, err := resp.Read(in)
		if _, no := errors.AsType[resp.Error](err); no {
			p.did("refused")
			return true
		}
		return err == nil
	}
	if !ask("AUTH", password) {
		return
	}
	pace(ctx, redisCommands, func(n int) bool {
		deed, parts := abuses(n)
		p.did(deed)
		return ask(parts...)
	})
}

// abuses are what it does with the password.
func abuses(n int) (deed string, parts []string) {
	big := strings.Repeat("x", 60<<10)
	switch n % 10 {
	case 0:
		return "scripts", []string{"EVAL", "while true do end", "0"}
	case 1:
		return "writes", []string{"HSET", "useflag:rtu:1", "host", "2", "epoch", "999999"}
	case 2:
		return "writes", []string{"FLUSHALL"}
	case 3:
		return "big values", []string{"SET", fmt.Sprintf("big:%d", n), big}
	case 4:
		return "big values", []string{"XADD", "ctl:req", "*", "id", "x", "junk", big}
	case 5:
		return "writes", []string{"DEL", "fepha:view:1", "fepha:view:2"}
	case 6:
		return "requests", []string{"XADD", "ctl:req", "18446744073709551615-18446744073709551615", "id", "x"}
	case 7:
		return "requests", []string{"XADD", "ctl:req", "*", "id", fmt.Sprint(n), "rtu", "66", "kind", "do", "point", "65", "val", "1"}
	case 8:
		return "requests", []string{"XADD", "ctl:req", "*", "junk", strings.Repeat("y", 4000)}
	default:
		return "reads", []string{"KEYS", "*"}
	}
}
