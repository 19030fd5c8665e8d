package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/internal/certs"
	"github.com/fepha/fepha/internal/disk"
	"github.com/fepha/fepha/internal/passwordfile"
	"github.com/fepha/fepha/internal/redismode"
)

// localTo is the address from which this machine would send to another. A UDP socket that is connected sends nothing.
func localTo(to netip.AddrPort) (netip.Addr, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return netip.Addr{}, err
	}
	defer func() { _ = c.Close() }()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// redis asks the server, and the sentinels that know it, whether they are there.
func (p *patient) redis(ctx context.Context) (lines []Line) {
	r := p.station.Redis
	if r.Mode == redismode.Off || r.Mode == redismode.Embedded {
		return nil // embedded: its port is among the ports
	}
	if r.Sentinel != nil {
		for _, a := range r.Sentinel.Addresses {
			lines = append(lines, checkService("redis", "sentinel "+a, connect(ctx, a)))
		}
		return append(lines, unchecked("redis", "master "+r.Sentinel.Master, "where it is the sentinels know: see the condition 'redis' while the node runs"))
	}
	took, err := p.ping(ctx)
	return append(lines, checkRedis(r.Address, took, err))
}

// ping logs in at Redis as the node does, and says PING (RESP2, inline commands' longer form).
func (p *patient) ping(ctx context.Context) (time.Duration, error) {
	r := p.station.Redis
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	network, address := "tcp", r.Address
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(began.Add(patience))
	if r.TLS != nil {
		files, err := certs.Files{CA: r.TLS.CA.Path, Cert: r.TLS.Cert.Path, Key: r.TLS.Key.Path}.Read()
		if err != nil {
			return 0, err
		}
		name := r.TLS.ServerName
		if name == "" {
			name, _, _ = net.SplitHostPort(address)
		}
		secured := tls.Client(c, files.Client(&tls.Config{MinVersion: tls.VersionTLS12, ServerName: name}))
		if err := secured.HandshakeContext(ctx); err != nil {
			return 0, err
		}
		c = secured
	}
	password, err := passwordfile.Read(r.PasswordFile.Path)
	if err != nil {
		return 0, err
	}
	in := bufio.NewReader(c)
	say := func(words ...string) (string, error) {
		text := fmt.Sprintf("*%d\r\n", len(words))
		for _, w := range words {
			text += fmt.Sprintf("$%d\r\n%s\r\n", len(w), w)
		}
		if _, err := c.Write([]byte(text)); err != nil {
			return "", err
		}
		line, err := in.ReadString('\n')
		return strings.TrimSpace(line), err
	}
	if password != "" {
		login := []string{"AUTH", password}
		if r.Username != "" {
			login = []string{"AUTH", r.Username, password}
		}
		if answer, err := say(login...); err != nil || answer != "+OK" {
			return 0, errors.Join(err, fmt.Errorf("it refuses the password: %s", strings.TrimPrefix(answer, "-")))
		}
	}
	answer, err := say("PING")
	if err == nil && answer != "+PONG" {
		err = fmt.Errorf("it answers PING with %q", strings.TrimPrefix(answer, "-"))
	}
	return time.Since(began), err
}

func checkRedis(address string, took time.Duration, err error) Line {
	switch {
	case err != nil:
		text, advice := failure(err)
		return wrong("redis", address, advice+"; fepha goes on without Redis, but its readers see nothing new", "%s", text)
	case took > time.Second:
		return doubtful("redis", address, "see what keeps the server busy: redis-cli --latency", "answers, in %s", ms(took))
	}
	return good("redis", address, "answers, in %s", ms(took))
}

// checkService judges a connection to what others run.
func checkService(check, about string, a attempt) Line {
	switch {
	case a.err != nil:
		text, advice := failure(a.err)
		return wrong(check, about, advice, "%s", text)
	case a.took > time.Second:
		return doubtful(check, about, "find out what makes the way slow", "reached, in %s", a.way())
	}
	return good(check, about, "reached in %s; whether it takes what it's sent shows only while the node runs: 'fepha export list'", a.way())
}

// exports tries the targets, and looks at the folders of files.
func (p *patient) exports(ctx context.Context) (lines []Line) {
	who, accountErr := serviceUser(p.dataDir, p.insecure())
	for i := range p.station.Exports {
		e := &p.station.Exports[i]
		about := fmt.Sprintf("%s (%s)", e.Name, e.Kind)
		if e.Kind == configs.ExportFile {
			dir := strings.ReplaceAll(e.Dir, "{node}", p.Node)
			lines = append(lines, checkFolder("export", about+" "+dir, dir, who, accountErr))
			continue
		}
		for _, a := range e.Addresses() {
			lines = append(lines, checkService("export", about+" "+a, connect(ctx, a)))
		}
	}
	return lines
}

// checkFolder looks whether the node can write to a folder of its own, and whether there's room.
func checkFolder(check, about, dir string, who account, whoErr error) Line {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return wrong(check, about, "mkdir -p "+dir+" && chown fepha "+dir+", and ReadWritePaths="+dir+" in the unit", "there's no such folder")
	}
	if whoErr != nil {
		return unchecked(check, about, "%v", whoErr)
	}
	f, err := stat(dir)
	if err != nil {
		return unchecked(check, about, "%v", err)
	}
	if !f.may(who, 7) {
		return wrong(check, about, "chown fepha "+dir, "the user %s can't write there", who.name)
	}
	free, octets, err := disk.Room(dir)
	l := checkRoom(about, cluster.Disk{Free: int64(free), Size: int64(octets)}, err)
	l.Check = check
	return l
}
