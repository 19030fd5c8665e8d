package rtdb

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// Others may read the view of the embedded server and put requests into ctl:req, a bounded number of bounded size, and nothing else.
func TestGate(t *testing.T) {
	c := furnished(t)
	r := run(t, Config{Replica: c.Node("fep1"), Mode: Embedded}) // nobody answers requests
	r.complete(t)
	ctx, client := context.Background(), lookAt(t, r.Addr(), "")
	c.shows(t, client)
	for _, command := range []string{
		"SET a b", "HSET useflag:rtu:1 host 2", "DEL useflag:rtu:1", "FLUSHALL", "EVAL return\x201 0", "EVALSHA abc 0", "SCRIPT LOAD return\x201",
		"XADD ctl:res * id a", "XDEL ctl:req 1-1", "XTRIM ctl:req MAXLEN 0", "XGROUP CREATE ctl:req x 0", "XREADGROUP GROUP fepha x STREAMS ctl:req >",
		"APPEND a b", "SETRANGE a 500000000 b", "MULTI", "SUBSCRIBE x", "RENAME a b", "CONFIG GET *", "SHUTDOWN",
	} {
		var args []any
		for _, word := range strings.Split(command, " ") {
			args = append(args, word)
		}
		if err := client.Do(ctx, args...).Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("%q: %v", command, err)
		}
	}
	if err := client.Do(ctx, "XADD", requestStream, "*", "id", strings.Repeat("x", maxRequestSize)).Err(); err == nil {
		t.Error("a request of any size")
	}
	if err := client.Do(ctx, "GET", strings.Repeat("x", maxCommandSize+1)).Err(); err == nil {
		t.Error("a command of any size")
	}
	for i := range maxWaiting {
		if err := client.Do(ctx, "XADD", requestStream, "*", "id", fmt.Sprint(i)).Err(); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	if err := client.Do(ctx, "XADD", requestStream, "*", "id", "x").Err(); err == nil || !strings.Contains(err.Error(), "too many requests") {
		t.Errorf("requests without end: %v", err)
	}
}
