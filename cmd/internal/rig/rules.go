package rig

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// rules are the packet rules of the faults in a namespace, in an nftables
// table of their own.
type rules struct {
	in     *namespace
	family string   // bridge: what it forwards; inet: what the host itself sends and gets
	chains []string // hooks of the family that are used

	mu      sync.Mutex
	byFault map[string][]string // each "CHAIN MATCH VERDICT"
}

// set replaces the rules of a fault; none takes them away. All change at once.
func (r *rules) set(fault string, list ...string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byFault == nil {
		r.byFault = make(map[string][]string)
	}
	if delete(r.byFault, fault); len(list) > 0 {
		r.byFault[fault] = list
	}
	var text strings.Builder
	table := r.family + " faults"
	fmt.Fprintf(&text, "table %s {}\ndelete table %s\ntable %s {\n", table, table, table)
	for _, chain := range r.chains {
		fmt.Fprintf(&text, "chain %s_faults {\ntype filter hook %s priority 0\n", chain, chain)
		for _, name := range slices.Sorted(maps.Keys(r.byFault)) {
			for _, rule := range r.byFault[name] {
				if rest, ok := strings.CutPrefix(rule, chain+" "); ok {
					fmt.Fprintln(&text, rest)
				}
			}
		}
		text.WriteString("}\n")
	}
	text.WriteString("}\n")
	return runWith(text.String(), "ip", "netns", "exec", r.in.name, "nft", "-f", "-")
}
