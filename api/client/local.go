package client

import (
	"context"
	"net"
	"net/http"
)

// Local is a client of a node of this host, through the socket in its data folder: for root and the service's own user, who do
// there what an admin does.
func Local(socket string) *Client {
	return &Client{Base: "http://localhost", HTTP: &http.Client{Transport: LocalTransport(socket)}}
}

// LocalTransport goes to a node of this host through the socket in its data folder.
func LocalTransport(path string) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "localhost:80" { // else it's another node, to which this one has pointed
			network, address = "unix", path
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
}
