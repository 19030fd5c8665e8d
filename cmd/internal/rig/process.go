package rig

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// stopTimeout is how long a node may take to end by itself.
const stopTimeout = 10 * time.Second

// process is one node's program.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it was reaped
	err  error         // after done

	ending bool // it was asked to end, or killed

	most atomic.Int64 // octets of memory that it ever had, not older than watchPeriod
}

// watchPeriod is how often a process's memory is looked at.
const watchPeriod = 200 * time.Millisecond

// startProcess runs a program whose output is appended to a file.
func startProcess(log string, program ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close() // the child has its own
	p := &process{cmd: exec.Command(program[0], program[1:]...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	// The terminal's Ctrl-C is for the parent, which ends its nodes in order;
	// and a parent that dies takes them along.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", program[0], err)
	}
	reaped := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { p.watch(reaped) })
	go func() {
		p.err = p.cmd.Wait()
		close(reaped)
		watching.Wait()
		close(p.done)
	}()
	return p, nil
}

// watch keeps most until the process was reaped.
func (p *process) watch(reaped <-chan struct{}) {
	tick := time.NewTicker(watchPeriod)
	defer tick.Stop()
	for {
		select {
		case <-reaped:
			return
		case <-tick.C:
			if u, err := usage(p.cmd.Process.Pid); err == nil {
				p.most.Store(max(p.most.Load(), u.Most))
			}
		}
	}
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *process) signal(s os.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// died tells whether it ended although nobody asked it to.
func (p *process) died() bool { return !p.running() && !p.ending }

// kill ends it the hard way, and waits.
func (p *process) kill() error {
	p.ending = true
	err := p.signal(syscall.SIGKILL)
	<-p.done
	return err
}

// stop asks it to end, waits, and makes an error of it if it had to be killed
// or ended badly.
func (p *process) stop() error {
	p.ending = true
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("did not end within %v of SIGTERM", stopTimeout), p.kill())
	}
}
