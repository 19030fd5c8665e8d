package rig

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/internal/certid"
)

// place is where a station stands: all on loopback and without keys, or each
// part in its namespace of a Network, with keys.
type place struct {
	network *Network // nil: loopback
	keys    *authority
	free    *portRange // of loopback, as is ports
	ports   []string   // of the nodes
}

func newPlace(network *Network) (p place, err error) {
	if p.network = network; network == nil {
		p.free = newPortRange()
		p.ports, err = p.free.take(8)
	} else {
		p.keys, err = newAuthority()
	}
	return p, err
}

// portRange gives loopback addresses whose ports nobody uses just now, none twice. They are below those that the kernel
// gives to outgoing connections (32768 on): one of these would have its port taken while its owner is down.
type portRange struct{ next int }

const firstPort, lastPort = 20000, 32000

func newPortRange() *portRange { return &portRange{firstPort + rand.IntN(lastPort-firstPort)} }

// FreeAddress is a loopback address whose port nobody uses just now.
func FreeAddress() (string, error) {
	list, err := newPortRange().take(1)
	if err != nil {
		return "", err
	}
	return list[0], nil
}

func (r *portRange) take(n int) ([]string, error) {
	var addresses []string
	for tried := 0; len(addresses) < n; tried++ {
		if tried == lastPort-firstPort {
			return nil, fmt.Errorf("fewer than %d ports are free between %d and %d", n, firstPort, lastPort)
		}
		address := fmt.Sprintf("127.0.0.1:%d", r.next)
		if r.next++; r.next == lastPort {
			r.next = firstPort
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		u, err := net.ListenPacket("udp", address)
		if err := l.Close(); err != nil {
			return nil, err
		}
		if err != nil {
			continue
		}
		if err := u.Close(); err != nil {
			return nil, err
		}
		addresses = append(addresses, address)
	}
	return addresses, nil
}

// node makes the i-th node.
func (p *place) node(i int, id, dir string) (*Node, error) {
	n := &Node{ID: id, host: i + 1, role: "fep", dir: filepath.Join(dir, "etc-"+id)}
	if id == "wit" {
		n.role = "witness"
	}
	if p.network == nil {
		n.address, n.api = p.ports[i], p.ports[3+i]
		n.API = "http://" + n.api
		n.client = client.Client{Base: n.API}
		return n, nil
	}
	n.address, n.api = hostAddress(id)+":7300", hostAddress(id)+":7310"
	n.API = "https://" + n.api
	if err := p.renew(n); err != nil {
		return nil, err
	}
	shown, err := p.keys.client("rig")
	if err != nil {
		return nil, err
	}
	// From inside the node's own namespace, where no fault of the network is.
	n.client = client.Client{Base: n.API, HTTP: &http.Client{Transport: &http.Transport{
		DialContext: p.network.spaces[id].Dial, TLSClientConfig: shown,
	}}}
	return n, nil
}

// renew gives a node a new certificate, where there are any.
func (p *place) renew(n *Node) error {
	if p.network == nil {
		return nil
	}
	// The mark has whole seconds. One that is a second late is not within that of the removal which revoked the old one.
	return p.keys.write(n.dir, n.ID, hostAddress(n.ID), certid.Node(n.ID), certid.Issued(time.Now().Add(time.Second)))
}

// uplinks are the addresses of the uplink on fep1 and fep2.
func (p *place) uplinks() [2]string {
	if p.network == nil {
		return [2]string{p.ports[6], p.ports[7]}
	}
	return [2]string{hostAddress("fep1", centreBridge) + ":2404", hostAddress("fep2", centreBridge) + ":2404"}
}

// channels are where a device listens.
func (p *place) channels(device, count int) ([]string, error) {
	if p.network == nil {
		return p.free.take(count)
	}
	var list []string
	for i := range count {
		list = append(list, fmt.Sprintf("%s:%d", hostAddress("dev"), 2404+device*count+i))
	}
	return list, nil
}

// security is the line of station.yaml, clients who may use the uplink.
func (p *place) security() (security, clients string) {
	if p.network == nil {
		return "{insecure: true}", "127.0.0.0/8"
	}
	return "{ca: tls/ca.pem, cert: tls/node.pem, key: tls/node-key.pem}", hostAddress("occ")
}

// open makes the devices' listeners, dial the control centre's connections;
// nil: as ever.
func (p *place) open() func(network, address string) (net.Listener, error) {
	if p.network == nil {
		return nil
	}
	return p.network.spaces["dev"].Listen
}

func (p *place) dial() func(ctx context.Context, network, address string) (net.Conn, error) {
	if p.network == nil {
		return nil
	}
	return p.network.spaces["occ"].Dial
}

// command is what runs a program where a node is.
func (p *place) command(id string, program ...string) []string {
	if p.network == nil {
		return program
	}
	return p.network.Command(id, program...)
}
