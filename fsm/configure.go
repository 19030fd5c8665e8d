package fsm

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
	"github.com/fepha/fepha/fsm/internal/journal"
	"github.com/fepha/fepha/fsm/internal/mailbox"
)

const maxDigest = 128

// configure puts a configuration in force: all of it, or nothing. What it no longer names vanishes.
func (s *State) configure(at command.Stamp, op *fsmpb.Configure) *fsmpb.Result {
	cfg := normalConfig(op)
	same := proto.Equal(cfg, s.config) && s.rev.Config > 0
	if _, known := s.FilesInForce(); same && (known || len(op.GetFiles()) == 0) {
		return command.Already()
	}
	if op.GetStage() != 0 && op.GetStage() != s.stage {
		return command.Refuse(fsmpb.Result_CONFLICT, "configuration %.12s: another change of the configuration has begun since", cfg.Digest)
	}
	if len(op.GetFiles()) > 0 && (op.GetStage() == 0 || !s.versions.Uploaded(op.Files)) {
		return command.Refuse(fsmpb.Result_CONFLICT, "configuration %.12s: its files haven't come whole", cfg.Digest)
	}
	if same {
		s.versions.Keep(at, op)
		s.stage++
		s.rev.Config++
		return command.Done()
	}
	virtual, err := checkConfig(cfg)
	if err != nil {
		return command.Refuse(fsmpb.Result_INVALID, "configuration %.12s: %v", cfg.Digest, err)
	}
	s.note(at, &Note{Kind: NoteConfig, Resource: cfg.Digest})
	s.config = cfg
	if s.level > 0 { // else a build that doesn't know versions may have to go on with this state
		s.versions.Put(at, op)
	}
	if op.GetStage() != 0 {
		s.stage++ // it's complete
	}
	s.rev.Config++

	s.journal.SetRetain(cfg.Retain)
	s.makeRoom()
	s.unsettled = true

	s.configureNodes(at, cfg)
	s.configureRTUs(at, cfg)
	s.configureGroups(at, cfg)
	s.configureFNP(at, cfg)
	s.configureExports(at, cfg)
	s.disownGone(at)
	s.conditions.Settle(at)
	s.configureVirtual(at, virtual)
	return command.Done()
}

// stageConfig begins another stage.
func (s *State) stageConfig(op *fsmpb.ConfigStage) *fsmpb.Result {
	if op.GetExpect() != s.stage {
		return command.Refuse(fsmpb.Result_CONFLICT, "another change of the configuration has begun just now")
	}
	s.stage++
	s.versions.Begin()
	return command.Done()
}

// partOfConfig takes a part of the files of the stage that has begun.
func (s *State) partOfConfig(op *fsmpb.ConfigPart) *fsmpb.Result {
	if op.GetStage() != s.stage {
		return command.Refuse(fsmpb.Result_CONFLICT, "another change of the configuration has begun since")
	}
	return s.versions.Take(op)
}

// Versions are the configurations that are in force, the newest, and were before, the oldest first. Empty: none is known.
func (s *State) Versions() []*ConfigVersion { return s.versions.All() }

// FilesInForce is the version in force; false: the group doesn't have its files.
func (s *State) FilesInForce() (*ConfigVersion, bool) {
	v, ok := s.versions.Newest()
	return v, ok && v.Digest == s.config.GetDigest() && v.Files != nil
}

// ConfigStage is the number of the newest stage of a configuration.
func (s *State) ConfigStage() uint64 { return s.stage }

// StageCompleted tells whether what was made ready in a stage is in force. Its digest alone doesn't say so: one with the
// same digest may have been in force before, and a node that was restarted passes it by as it applies its log again.
func (s *State) StageCompleted(stage uint64, digest string) bool {
	return s.stage > stage && s.config.GetDigest() == digest
}

// noConfig is what is in force before the first Configure.
func noConfig() *fsmpb.Configure { return normalConfig(&fsmpb.Configure{}) }

// normalConfig is a copy of the configuration in a fixed order, with the defaults filled in.
func normalConfig(op *fsmpb.Configure) *fsmpb.Configure {
	cfg := proto.CloneOf(op)
	cfg.Stage, cfg.Files, cfg.Origin, cfg.Changes = 0, nil, "", nil // how it came is no part of it
	if cfg.Retain == 0 {
		cfg.Retain = journal.DefaultRetain
	}
	slices.SortStableFunc(cfg.Nodes, func(a, b *fsmpb.Configure_Node) int { return cmp.Compare(a.GetHost(), b.GetHost()) })
	slices.SortStableFunc(cfg.Rtus, func(a, b *fsmpb.Configure_RTU) int { return cmp.Compare(a.GetNumber(), b.GetNumber()) })
	slices.SortStableFunc(cfg.Groups, func(a, b *fsmpb.Configure_Group) int {
		return cmp.Compare(UplinkResource(a.GetUplink(), a.GetGroup()), UplinkResource(b.GetUplink(), b.GetGroup()))
	})
	slices.SortStableFunc(cfg.Virtual, func(a, b *fsmpb.Configure_Virtual) int {
		return cmp.Or(cmp.Compare(a.GetRtu(), b.GetRtu()), cmp.Compare(a.GetPoint(), b.GetPoint()))
	})
	slices.SortStableFunc(cfg.Exports, func(a, b *fsmpb.Configure_Export) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return cfg
}

// checkConfig finds the first fault of a configuration in normal form, and reads its virtual points.
func checkConfig(cfg *fsmpb.Configure) ([]*virtualPoint, error) {
	if cfg.Retain > journal.MaxRetain {
		return nil, fmt.Errorf("journal: retain %d events: expected at most %d", cfg.Retain, journal.MaxRetain)
	}
	if cfg.RetainForMs < 0 {
		return nil, fmt.Errorf("journal: retain_for %d ms: expected 0 or more", cfg.RetainForMs)
	}
	if len(cfg.Digest) > maxDigest {
		return nil, fmt.Errorf("digest of %d octets: expected at most %d", len(cfg.Digest), maxDigest)
	}
	roles := map[string]string{}
	hosts := map[uint32]string{}
	for _, n := range cfg.Nodes {
		if err := checkName("node", n.GetId()); err != nil {
			return nil, err
		}
		if _, twice := roles[n.Id]; twice {
			return nil, fmt.Errorf("node %q is there twice", n.Id)
		}
		if n.Role != roleFEP && n.Role != roleWitness {
			return nil, fmt.Errorf("node %q: role %q: expected %s or %s", n.Id, n.Role, roleFEP, roleWitness)
		}
		if n.Host == 0 {
			return nil, fmt.Errorf("node %q: host 0: expected a number from 1", n.Id)
		}
		if other, twice := hosts[n.Host]; twice {
			return nil, fmt.Errorf("node %q: host %d is that of node %q", n.Id, n.Host, other)
		}
		roles[n.Id], hosts[n.Host] = n.Role, n.Id
	}
	for i, r := range cfg.Rtus {
		if r.GetNumber() == 0 || i > 0 && cfg.Rtus[i-1].Number == r.Number {
			return nil, fmt.Errorf("RTU %d: expected a number from 1 of its own", r.GetNumber())
		}
		if r.Prefer != "" && roles[r.Prefer] != roleFEP {
			return nil, fmt.Errorf("RTU %d: prefer %q: expected a node with role %s", r.Number, r.Prefer, roleFEP)
		}
		if err := checkShares(cfg, r); err != nil {
			return nil, err
		}
	}
	for i, g := range cfg.Groups {
		if err := checkName("uplink", g.GetUplink()); err != nil {
			return nil, err
		}
		if err := checkName("group", g.Group); err != nil {
			return nil, err
		}
		if i > 0 && cfg.Groups[i-1].Uplink == g.Uplink && cfg.Groups[i-1].Group == g.Group {
			return nil, fmt.Errorf("uplink %q: group %q is there twice", g.Uplink, g.Group)
		}
		switch g.Mode {
		case fsmpb.Configure_EXCLUSIVE, fsmpb.Configure_MAIN_STANDBY, fsmpb.Configure_DUAL_ACTIVE:
		default:
			return nil, fmt.Errorf("uplink %q: group %q: no mode %d", g.Uplink, g.Group, g.Mode)
		}
	}
	for i, e := range cfg.Exports {
		if err := checkName("export", e.GetName()); err != nil {
			return nil, err
		}
		if i > 0 && cfg.Exports[i-1].Name == e.Name {
			return nil, fmt.Errorf("export %q is there twice", e.Name)
		}
	}
	return readVirtual(cfg)
}

// checkName refuses names that can't stand in a resource id or in the source of a virtual point.
func checkName(what, name string) error {
	if name == "" || len(name) > 64 || strings.ContainsAny(name, "/:") {
		return fmt.Errorf("%s %q: expected a name of 1 to 64 octets without slash and colon", what, name)
	}
	return nil
}

func (s *State) configureNodes(at command.Stamp, cfg *fsmpb.Configure) {
	old := s.nodes
	s.nodes = nil
	for _, c := range cfg.Nodes {
		n := &Node{ID: c.Id, SinceMs: at.Ms}
		if i := slices.IndexFunc(old, func(o *Node) bool { return o.ID == c.Id }); i >= 0 {
			n = old[i]
		}
		n.Host, n.Role = c.Host, c.Role
		s.nodes = append(s.nodes, n)
	}
	for _, o := range old {
		if s.node(o.ID) == nil {
			s.forgetNode(o.ID)
		}
	}
	s.rev.Nodes++
}

func (s *State) configureRTUs(at command.Stamp, cfg *fsmpb.Configure) {
	named := map[uint32]bool{}
	s.dissolveLines(at, cfg)
	for _, c := range cfg.Rtus {
		named[c.Number] = true
		u := s.rtus[c.Number]
		if u == nil {
			u = &rtu{number: c.Number}
			s.rtus[c.Number] = u
		}
		if u.resource == nil {
			s.joinLine(at, u, c)
		}
		u.name, u.prefer = c.Name, c.Prefer
		u.channels = make([]int, len(c.Links))
		for i, n := range c.Links {
			u.channels[i] = int(n)
		}
	}
	for _, u := range s.sortedRTUs() {
		if named[u.number] {
			continue
		}
		s.controls.Removed(at, u.number)
		if u.resource != nil {
			s.removeResource(u.resource)
		}
		s.checks.Forget(u.number)
		s.strays -= u.strays.size
		delete(s.rtus, u.number)
		s.image.Retain(u.number, func(Kind, uint32) bool { return false })
	}
}

func (s *State) configureGroups(at command.Stamp, cfg *fsmpb.Configure) {
	old := s.groups
	s.groups = nil
	for _, c := range cfg.Groups {
		id := UplinkResource(c.Uplink, c.Group)
		i := slices.IndexFunc(old, func(o *group) bool { return o.resource.ID == id })
		var g *group
		if i >= 0 {
			g = old[i]
		} else {
			g = &group{
				resource: s.addResource(at, id, ResourceUplink), uplink: c.Uplink, name: c.Group,
				base: s.journal.Last(), clients: map[string][]Client{},
			}
		}
		g.setMode(c.Mode)
		s.groups = append(s.groups, g)
	}
	for _, o := range old {
		if !slices.Contains(s.groups, o) {
			s.removeResource(o.resource)
		}
	}
	s.rev.Cursors++
}

func (s *State) configureFNP(at command.Stamp, cfg *fsmpb.Configure) {
	r := s.resources[FNPResource()]
	switch {
	case cfg.Fnp && r == nil:
		s.addResource(at, FNPResource(), ResourceFNP)
	case !cfg.Fnp && r != nil:
		s.removeResource(r)
		s.table = chantable.New()
		s.mailbox = mailbox.New()
		s.rev.FNP++
	}
}

func (s *State) addResource(at command.Stamp, id string, kind ResourceKind) *Resource {
	r := &Resource{ID: id, Kind: kind, Epoch: s.epochFloor, SinceMs: at.Ms}
	s.resources[id] = r
	s.rev.Resources++
	return r
}

// removeResource forgets a resource, but not how far its epochs had come: if it comes back, what was proposed for the
// former one is still older than the new one.
func (s *State) removeResource(r *Resource) {
	delete(s.resources, r.ID)
	s.epochFloor = max(s.epochFloor, r.Epoch)
	s.rev.Resources++
}

// disownGone takes resources from nodes that are no longer members or no longer FEPs.
func (s *State) disownGone(at command.Stamp) {
	isFEP := func(id string) bool {
		n := s.node(id)
		return n != nil && n.Role == roleFEP
	}
	for _, r := range s.sortedResources() {
		if r.Pin != "" && !isFEP(r.Pin) {
			r.Pin = ""
			s.rev.Resources++
		}
		if r.Owner != "" && !isFEP(r.Owner) {
			s.begin(at, r, "", "node removed", Timings{})
		} else if r.Target != "" && !isFEP(r.Target) {
			s.begin(at, r, r.Owner, "target removed", Timings{})
		}
	}
}
