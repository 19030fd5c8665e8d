package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/fepha/fepha/internal/certs"
)

const (
	patience = 3 * time.Second // for an address that's silent
	atOnce   = 64              // connections that are tried at the same time
)

// attempt is how it went to reach an address.
type attempt struct {
	took  time.Duration
	err   error
	local netip.Addr // from which
	by    string     // interface of that; "": not known
}

// way is how an address was reached, in words.
func (a attempt) way() string {
	if a.by == "" {
		return ms(a.took)
	}
	return ms(a.took) + " by way of " + a.by
}

// connect tries a TCP connection and closes it at once.
func connect(ctx context.Context, address string) attempt {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	a := attempt{took: time.Since(began), err: err}
	if err == nil {
		if local, ok := c.LocalAddr().(*net.TCPAddr); ok {
			a.local = local.AddrPort().Addr().Unmap()
			all, _ := interfaces()
			a.by = interfaceOf(all, a.local)
		}
		_ = c.Close()
	}
	return a
}

// each calls do for 0 to n-1, some at a time, and waits for all.
func each(n int, do func(i int)) {
	var all sync.WaitGroup
	room := make(chan struct{}, atOnce)
	for i := range n {
		room <- struct{}{}
		all.Go(func() { do(i); <-room })
	}
	all.Wait()
}

// failure says in words why an address wasn't reached, and what to look at.
func failure(err error) (text, advice string) {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "its machine answers, and refuses: nothing listens there, or a firewall rejects it", "start what is to listen there, or open the port in the firewall"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "there's no way to it: " + errors.Unwrap(errors.Unwrap(err)).Error(), "check the route (ip route get), the cable, and whether the machine is on"
	case errors.As(err, &dns):
		return err.Error(), "check the name, or give its address"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("nothing answers within %s", ms(patience)), "is the machine on, its cable in, its address right? A firewall that drops does the same"
	}
	return err.Error(), "see what it says"
}

// answer is a node's to GET /livez.
type answer struct {
	attempt
	offset, within time.Duration // by how much its clock is ahead, give or take
	dated          bool
}

// peers tries the ways to the other nodes. It tells too whether any of them runs, and how their clocks are as far as that shows.
func (p *patient) peers(ctx context.Context) (lines []Line, runs bool, clocks map[string]answer) {
	clocks = map[string]answer{}
	var mu sync.Mutex
	others := make([]int, 0, len(p.station.Cluster.Nodes))
	for i, n := range p.station.Cluster.Nodes {
		if n.ID != p.Node {
			others = append(others, i)
		}
	}
	client, err := p.caller()
	found := make([][2]Line, len(others))
	each(len(others), func(k int) {
		n := p.station.Cluster.Nodes[others[k]]
		raft := connect(ctx, n.Address.String())
		found[k][0] = checkPeer(n.ID+" "+n.Address.String()+" (between the nodes)", raft, p.station.Cluster.Lease)
		about := n.ID + " " + n.APIAddress() + " (API)"
		if err != nil {
			found[k][1] = unchecked("peer", about, "%v", err)
			return
		}
		a := ask(ctx, client, p.scheme()+"://"+n.APIAddress()+"/livez")
		found[k][1] = checkAPI(about, a.attempt)
		mu.Lock()
		defer mu.Unlock()
		runs = runs || raft.err == nil || a.err == nil
		clocks[n.ID] = a
	})
	for _, f := range found {
		lines = append(lines, f[0], f[1])
	}
	return lines, runs, clocks
}

func (p *patient) scheme() string {
	if p.insecure() {
		return "http"
	}
	return "https"
}

// caller calls the other nodes' APIs as this node does.
func (p *patient) caller() (*http.Client, error) {
	t := &http.Transport{DisableKeepAlives: true}
	if s := p.station.Security; !s.Insecure {
		c, err := certs.Files{CA: s.CA.Path, Cert: s.Cert.Path, Key: s.Key.Path}.Read()
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig = c.Client(&tls.Config{MinVersion: tls.VersionTLS12})
	}
	return &http.Client{Transport: t, Timeout: patience}, nil
}

// ask asks for a page and reads the answer's date, which is to the second.
func ask(ctx context.Context, c *http.Client, url string) (a answer) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return answer{attempt: attempt{err: err}}
	}
	began := time.Now()
	resp, err := c.Do(r)
	ended := time.Now()
	a.took, a.err = ended.Sub(began), err
	if err != nil {
		return a
	}
	_ = resp.Body.Close()
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		// It was written between began and ended, at date or up to a second later.
		earliest, latest := date.Sub(ended), date.Add(time.Second).Sub(began)
		a.offset, a.within, a.dated = (earliest+latest)/2, (latest-earliest)/2, true
	}
	return a
}

// checkPeer holds the way to another node to the lease, which is asked for each quarter of it.
func checkPeer(about string, a attempt, lease time.Duration) Line {
	const slow = "find out what makes the way slow: a node asks for its lease each quarter of it"
	if a.err != nil {
		text, advice := failure(a.err)
		if errors.Is(a.err, syscall.ECONNREFUSED) { // before the other machine is installed, that's how it should be
			return doubtful("peer", about, advice, "%s", text)
		}
		return wrong("peer", about, advice, "%s", text)
	}
	switch {
	case a.took > lease/4:
		return wrong("peer", about, slow, "reached, in %s; the lease is %s", a.way(), ms(lease))
	case a.took > lease/10:
		return doubtful("peer", about, slow, "reached, in %s; the lease is %s", a.way(), ms(lease))
	}
	return good("peer", about, "reached in %s", a.way())
}

// checkAPI looks at what the node's own certificate opens, and at the other's.
func checkAPI(about string, a attempt) Line {
	if a.err == nil {
		return good("peer", about, "answers, in %s", ms(a.took))
	}
	var unknown x509.UnknownAuthorityError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(a.err, &unknown):
		return wrong("peer", about, "make all nodes' certificates with the same CA: 'fepha tls init'", "its certificate is of another CA: is it another station's?")
	case errors.As(a.err, &certificate):
		return wrong("peer", about, "renew it with 'fepha tls init', and look at both machines' time", "its certificate isn't good: %v", certificate.Err)
	case errors.Is(a.err, syscall.ECONNREFUSED):
		text, advice := failure(a.err)
		return doubtful("peer", about, advice, "%s", text)
	}
	text, advice := failure(a.err)
	return wrong("peer", about, advice, "%s", text)
}
