// Package firstadmin has the group know the hash of the token with which a new station's first admin is made. The node was
// installed with it, in a file of its data folder, which goes as soon as the group has answered: each node offers it, one is
// taken, and a station that has users, or has had such a token, takes none any more.
package firstadmin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/nodebundle"
	"github.com/fepha/fepha/replica"
)

const (
	pace     = time.Second     // between two attempts: the group may have no leader, or not understand it yet
	patience = 5 * time.Second // for one
)

// Run offers what is in the node's data folder until the group has answered, and ends with ctx. What it can't read it leaves, and
// says.
func Run(ctx context.Context, node replica.Replica, dataDir string, log *slog.Logger) error {
	offer(ctx, node, dataDir, log)
	<-ctx.Done()
	return nil
}

func offer(ctx context.Context, node replica.Replica, dataDir string, log *slog.Logger) {
	path := filepath.Join(dataDir, nodebundle.FirstAdminFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var first nodebundle.FirstAdmin
	if err == nil {
		first, err = nodebundle.ReadFirstAdmin(text)
	}
	if err != nil {
		log.Error("the first admin's token is not offered to the group: `fepha user add` on this host makes the first admin too", "file", path, "error", err)
		return
	}
	command := &fsmpb.Command{Op: &fsmpb.Command_FirstAdmin{FirstAdmin: &fsmpb.FirstAdmin{
		Sha256: first.Sum[:], ExpiresMs: first.Expires.UnixMilli(), Origin: "node " + node.ID(),
	}}}
	for range replica.Follow(ctx, node, replica.Pace{Least: pace, Most: pace}) {
		result, err := propose(ctx, node, command)
		if err != nil {
			log.Debug("offering the first admin's token: tried again", "error", err)
			continue
		}
		if result.Code > fsmpb.Result_DUPLICATE {
			log.Info("the group needs no first admin's token", "why", result.Message)
		} else {
			log.Info("a first admin can be made, with the token that `fepha station init` has printed: `fepha user first NAME`", "until", first.Expires)
		}
		if err := os.Remove(path); err != nil {
			log.Error("the first admin's token is offered again at the next start", "error", err)
		}
		return
	}
}

func propose(ctx context.Context, node replica.Replica, c *fsmpb.Command) (*fsmpb.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	result, err := node.Propose(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("first admin's token: %w", err)
	}
	return result.Result, nil
}
