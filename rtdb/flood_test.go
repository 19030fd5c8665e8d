package rtdb

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/fepha/fepha/internal/redismode"
)

// A client that asks for what there isn't, as fast as it can, gets its answers, and no more of the log than is good.
func TestRequestsDoNotFloodTheLog(t *testing.T) {
	c := furnished(t)
	r := run(t, Config{Replica: c.Node("fep1"), Mode: redismode.Embedded, Describe: describeAll})
	r.complete(t)
	ctx, client := context.Background(), lookAt(t, r.Addr(), "")
	const requests = 200
	for range requests {
		if err := client.XAdd(ctx, &redis.XAddArgs{Stream: requestStream, Values: []any{"id", "x", "point", "nonsense"}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all to be refused", func() bool { return r.Stats().Requests.Refused == requests })
	if n := r.log.count("request answered"); n == 0 || n > requests/2 {
		t.Errorf("%d lines of %d requests, want some", n, requests)
	}
}
