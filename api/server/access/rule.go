package access

import "github.com/fepha/fepha/fsm"

// Rule says who may use a route, and how much may be sent to it.
type Rule struct {
	Open  bool     // nothing about the station is told there, so anybody may ask
	Role  fsm.Role // the least one
	Nodes bool     // the other nodes may ask too
	Only  bool     // and nobody else
	Body  int64    // octets that a request's body may have
}

// AndNodes lets the other nodes ask too.
func (a Rule) AndNodes() Rule { a.Nodes = true; return a }

// NodesOnly lets the other nodes ask, and nobody else.
func (a Rule) NodesOnly() Rule { a.Nodes, a.Only = true, true; return a }

// WithBody lets so many octets be sent.
func (a Rule) WithBody(most int64) Rule { a.Body = most; return a }

// Least is the role that the table in the README has for it.
func (a Rule) Least() string {
	switch {
	case a.Open:
		return "nobody"
	case a.Only:
		return "node"
	case a.Nodes:
		return a.Role.String() + ", node"
	}
	return a.Role.String()
}
