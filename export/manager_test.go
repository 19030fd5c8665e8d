package export

import (
	"context"
	"testing"
	"testing/synctest"
)

// A node without exports goes on all the same: a part that ends takes the node with it.
func TestRunWithoutExports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- New(Config{}).Run(ctx) }()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("ended at once: %v", err)
		default:
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
