package rollout

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// partSize is how many octets of files one command brings: about what a full entry of the log has.
const partSize = 48 << 10

// putInForce gives the group packed files, and then commits that they are in force.
func (c *Configurator) putInForce(ctx context.Context, declared *fsmpb.Configure, octets []byte) error {
	if len(octets) > fsm.MaxConfigFiles {
		return api.Invalid(fmt.Errorf("the configuration has %d octets, packed: expected at most %d", len(octets), fsm.MaxConfigFiles))
	}
	stage, err := c.begin(ctx)
	if err != nil {
		return err
	}
	for at := 0; at < len(octets); at += partSize {
		part := &fsmpb.ConfigPart{Stage: stage, Offset: uint64(at), Octets: octets[at:min(at+partSize, len(octets))]}
		if err := c.propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_ConfigPart{ConfigPart: part}}); err != nil {
			return fmt.Errorf("nothing was changed: %w", err)
		}
	}
	sum := sha256.Sum256(octets)
	declared.Stage, declared.Files = stage, sum[:]
	err = c.propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: declared}})
	if errors.Is(err, replica.ErrNoLeader) || errors.Is(err, replica.ErrUnknownOutcome) {
		return fmt.Errorf("it's not known whether the configuration is in force: see `fepha config history`, and apply it again: %w", err)
	}
	return err
}

// begin begins a stage, and returns its number.
func (c *Configurator) begin(ctx context.Context) (stage uint64, err error) {
	c.Replica.View(func(s *fsm.State) { stage = s.ConfigStage() })
	err = c.propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_ConfigStage{ConfigStage: &fsmpb.ConfigStage{Expect: stage}}})
	return stage + 1, err
}

// propose is for what has to be accepted.
func (c *Configurator) propose(ctx context.Context, command *fsmpb.Command) error {
	r, err := c.Replica.Propose(ctx, command)
	switch {
	case err != nil:
		return err
	case r.Code > fsmpb.Result_DUPLICATE:
		return api.Conflict(fmt.Errorf("nothing was changed: %s: try again", r.Message))
	}
	return nil
}
