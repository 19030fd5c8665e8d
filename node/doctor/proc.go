package doctor

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// socket is one of this machine, as /proc/net tells it.
type socket struct {
	protocol      string // tcp | udp
	local, remote netip.AddrPort
	state         string // of TCP: hexadecimal, as there
	inode         uint64
}

const (
	tcpEstablished = "01"
	tcpListen      = "0A"
)

// open tells whether others can send to it.
func (s socket) open() bool { return s.protocol == "udp" || s.state == tcpListen }

func readSockets(proc string) (all []socket, err error) {
	for _, protocol := range []string{"tcp", "tcp6", "udp", "udp6"} {
		text, err := os.ReadFile(filepath.Join(proc, "net", protocol))
		if err != nil {
			if strings.HasSuffix(protocol, "6") {
				continue // a machine without IPv6
			}
			return nil, err
		}
		of, err := parseSockets(strings.TrimSuffix(protocol, "6"), string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", protocol, err)
		}
		all = append(all, of...)
	}
	return all, nil
}

// parseSockets reads a table of proc(5), such as /proc/net/tcp.
func parseSockets(protocol, text string) (all []socket, err error) {
	_, rows, _ := strings.Cut(text, "\n")
	for row := range strings.Lines(rows) {
		f := strings.Fields(row)
		if len(f) < 10 {
			return nil, fmt.Errorf("row %q: expected ten fields at least", row)
		}
		s := socket{protocol: protocol, state: f[3]}
		if s.local, err = parseAddress(f[1]); err != nil {
			return nil, err
		}
		if s.remote, err = parseAddress(f[2]); err != nil {
			return nil, err
		}
		if s.inode, err = strconv.ParseUint(f[9], 10, 64); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// parseAddress reads 0100007F:1C84. Addresses are words of four octets, each turned around by little-endian machines, which those
// are that fepha runs on.
func parseAddress(text string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(text, ":")
	octets, err := hex.DecodeString(host)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(octets)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("address %q: expected hexadecimal digits", text)
	}
	for i := 0; i < len(octets); i += 4 {
		slices.Reverse(octets[i : i+4])
	}
	a, ok := netip.AddrFromSlice(octets)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("address %q: expected 4 or 16 octets", text)
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), nil
}

// process is one of this machine.
type process struct {
	pid    int
	name   string
	args   []string
	dir    string          // its working folder; "": not known
	inodes map[uint64]bool // of its sockets; nil: this user can't see them
}

func (p process) String() string { return fmt.Sprintf("pid %d, %s", p.pid, p.name) }

func readProcesses(proc string) (all []process) {
	dirs, _ := filepath.Glob(filepath.Join(proc, "[0-9]*"))
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		name, err2 := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil || err2 != nil {
			continue // it has ended
		}
		p := process{pid: pid, name: strings.TrimSpace(string(name))}
		if line, err := os.ReadFile(filepath.Join(dir, "cmdline")); err == nil {
			p.args = strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
		}
		p.dir, _ = os.Readlink(filepath.Join(dir, "cwd"))
		if fds, err := os.ReadDir(filepath.Join(dir, "fd")); err == nil {
			p.inodes = map[uint64]bool{}
			for _, fd := range fds {
				target, _ := os.Readlink(filepath.Join(dir, "fd", fd.Name()))
				if n, ok := strings.CutPrefix(target, "socket:["); ok {
					if inode, err := strconv.ParseUint(strings.TrimSuffix(n, "]"), 10, 64); err == nil {
						p.inodes[inode] = true
					}
				}
			}
		}
		all = append(all, p)
	}
	return all
}

// flag is the value of a flag among a process's arguments.
func (p process) flag(name string) string {
	for i, a := range p.args {
		if v, ok := strings.CutPrefix(a, "--"+name+"="); ok {
			return v
		}
		if a == "--"+name && i+1 < len(p.args) {
			return p.args[i+1]
		}
	}
	return ""
}

// nodeOf finds the node that has a data folder, by its arguments.
func nodeOf(all []process, dataDir string) (process, bool) {
	i := slices.IndexFunc(all, func(p process) bool {
		dir := p.flag("data-dir")
		if dir == "" || len(p.args) < 2 || p.args[1] != "node" {
			return false
		}
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(p.dir, dir)
		}
		return filepath.Clean(dir) == filepath.Clean(dataDir)
	})
	if i < 0 {
		return process{}, false
	}
	return all[i], true
}

// holderOf finds whose a socket is; false: this user can't see it.
func holderOf(all []process, inode uint64) (process, bool) {
	i := slices.IndexFunc(all, func(p process) bool { return p.inodes[inode] })
	if i < 0 || inode == 0 {
		return process{}, false
	}
	return all[i], true
}
