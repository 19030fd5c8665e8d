package rig

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// ended says what is known of a node that ended by itself.
type ended struct {
	node *Node
	log  string
}

func (e *ended) Error() string {
	return fmt.Sprintf("%s ended by itself: %v: %q: see %s", e.node.ID, e.node.proc.err, lastLine(e.log), e.log)
}

// supervise looks for nodes that ended by themselves. One that may is started
// again, as systemd does, once it has been healed; any other is an error.
func (s *Station) supervise() error {
	for _, n := range s.nodes {
		if n.proc == nil || !n.proc.died() {
			continue
		}
		if !n.mayEnd {
			return &ended{n, s.LogFile(n.ID)}
		}
		if n.ill {
			continue
		}
		if err := s.endedWell(n); err != nil {
			return err
		}
		if err := s.Start(n.ID); err != nil {
			return err
		}
	}
	return nil
}

// endedWell notes the last words of a node that ended because it could not go
// on, and is an error if it didn't do so by exit code 1, as one that panics.
func (s *Station) endedWell(n *Node) error {
	n.lastWords = lastLine(s.LogFile(n.ID))
	if n.proc.cmd.ProcessState.ExitCode() != 1 {
		return fmt.Errorf("expected exit code 1: %w", &ended{n, s.LogFile(n.ID)})
	}
	return nil
}

// lastLine is the last line of a file, "" if it can't be had.
func lastLine(path string) (line string) {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if text := strings.TrimSpace(lines.Text()); text != "" {
			line = text
		}
	}
	return line
}
