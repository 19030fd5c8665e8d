package cli

import (
	"slices"

	"github.com/fepha/fepha/cluster/pki"
	"github.com/fepha/fepha/configs"
)

// CertifiedNodes are the nodes with all addresses under which they are reached.
func CertifiedNodes(s *configs.Station) []pki.Node {
	var nodes []pki.Node
	for _, n := range s.Cluster.Nodes {
		hosts := []string{n.Address.Addr().String()}
		if a := n.API.Addr(); !a.IsUnspecified() && !slices.Contains(hosts, a.String()) {
			hosts = append(hosts, a.String())
		}
		nodes = append(nodes, pki.Node{ID: n.ID, Hosts: hosts})
	}
	return nodes
}
