package configs

import (
	"net/netip"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/redismode"
	"github.com/fepha/fepha/trend"
)

// Station is a whole, checked configuration. It's the same on every node.
//
// Fields that are added later and are part of the digest must be `omitzero` in JSON, so that a configuration that
// doesn't use them keeps its digest while nodes are upgraded one after the other.
type Station struct {
	ID       uint16         `yaml:"id"` // 1 to 65535
	Name     string         `yaml:"name"`
	TimeZone string         `yaml:"time_zone"` // IANA name; default UTC
	Location *time.Location `yaml:"-" json:"-"`

	Cluster       Cluster        `yaml:"-"`
	Security      Security       `yaml:"-"`
	Redis         Redis          `yaml:"-"`
	Journal       Journal        `yaml:"-"`
	Trend         Trend          `yaml:"-" json:",omitzero"`
	RTUs          []RTU          `yaml:"-" json:"-"`          // by number
	Uplinks       []Uplink       `yaml:"-" json:"-"`          // as in the file
	VirtualTable  File           `yaml:"-" json:"-"`          // zero: none
	VirtualPoints []VirtualPoint `yaml:"-" json:"-"`          // by RTU and point
	FNP           *FNP           `yaml:"-"`                   // nil: not used
	Exports       []Export       `yaml:"-" json:",omitempty"` // as in the file
	Backup        *Backup        `yaml:"-" json:",omitempty"` // nil: none are made

	// Named are the keys, certificates and the like that it names, which were not read.
	Named []NamedFile `yaml:"-" json:"-"`
	// Warnings are what is allowed, but likely not what is meant.
	Warnings *Errors `yaml:"-" json:"-"`

	// Files are the names of the files that were read, as they are written in station.yaml, station.yaml itself first.
	Files []string `yaml:"-" json:"-"`
}

// File is a file that the configuration names.
type File struct {
	Name string // as written
	Path string // resolved against the folder of station.yaml
}

// IsZero tells whether no file is named.
func (f File) IsZero() bool { return f.Name == "" }

// MarshalText gives the name as written: where station.yaml lies is no part of the configuration.
func (f File) MarshalText() ([]byte, error) { return []byte(f.Name), nil }

// NamedKind is what a file that station.yaml names, and that is no table, is to hold.
type NamedKind string

const (
	FileCA       NamedKind = "CA's certificate"          // PEM, one or more
	FileCert     NamedKind = "certificate"               // PEM
	FileKey      NamedKind = "key"                       // PEM, of the certificate beside it
	FileTokens   NamedKind = "list of tokens"            // YAML
	FilePassword NamedKind = "password"                  // one line
	FileFNPKeys  NamedKind = "list of keys for messages" // see channeltab.ReadKeys
)

// Secret tells whether who reads such a file can do what its owner can. Of tokens it has hashes alone.
func (k NamedKind) Secret() bool { return k == FileKey || k == FilePassword || k == FileFNPKeys }

// NamedFile is a file of a node's own that a key of station.yaml names. This package doesn't read it: it may be on another
// machine.
type NamedFile struct {
	File
	Kind NamedKind
	Key  string // such as uplinks[0].tls.cert

	place Error
}

// About is an error, or a warning, at the place in station.yaml that names the file.
func (f NamedFile) About(problem, expected string) Error {
	e := f.place
	e.Problem, e.Expected = quote(f.Name)+" "+problem, expected
	return e
}

// Role is what a node does in the station.
type Role string

const (
	RoleFEP     Role = "fep"     // collects and forwards
	RoleWitness Role = "witness" // votes and stores, never owns
)

// LogStore is what the Raft log is kept in.
type LogStore string

const (
	LogStoreBolt LogStore = "boltdb" // default
	LogStoreWAL  LogStore = "wal"
)

// Cluster is the Raft group: two FEPs and a witness.
type Cluster struct {
	Nodes    []Node        `yaml:"nodes"` // by host
	LogStore LogStore      `yaml:"log_store"`
	Lease    time.Duration `yaml:"lease"` // 150 ms to 10 s; default 500 ms
}

// Node is a member of the station.
type Node struct {
	ID      string         `yaml:"id"`
	Host    int            `yaml:"host"` // the FEPs are 1 and 2, the witness is 3
	Role    Role           `yaml:"role"`
	Address netip.AddrPort `yaml:"address"` // between nodes; never a wildcard
	API     netip.AddrPort `yaml:"api"`     // HTTP; may be a wildcard
}

// APIAddress is where others reach the node's API: if it listens on all of the
// host's addresses, on the one that the other nodes use too.
func (n Node) APIAddress() string {
	if n.API.Addr().IsUnspecified() {
		return netip.AddrPortFrom(n.Address.Addr(), n.API.Port()).String()
	}
	return n.API.String()
}

// Security names the station's keys. With Insecure there are none, and every address is loopback.
type Security struct {
	Insecure bool `yaml:"insecure,omitempty"`
	CA       File `yaml:"ca,omitzero"`
	Cert     File `yaml:"cert,omitzero"`
	Key      File `yaml:"key,omitzero"`
	Tokens   File `yaml:"tokens,omitzero"` // zero: only client certificates open the API
}

// TLS names the keys of one TLS connection or listener.
type TLS struct {
	CA         File   `yaml:"ca,omitzero"`   // zero: the system's (clients only)
	Cert       File   `yaml:"cert,omitzero"` // zero: none shown (clients only)
	Key        File   `yaml:"key,omitzero"`
	ServerName string `yaml:"server_name,omitempty"` // clients only; "": the address's
}

// Redis is the published view.
type Redis struct {
	Mode redismode.Mode `yaml:"mode"` // default off
	// Address is the server's host:port. per-node: default 127.0.0.1:6379. shared: needed unless Sentinel is given.
	// embedded: where each FEP listens; "" is any free loopback port; beyond loopback PasswordFile is needed. With
	// embedded and per-node it may be a Unix socket, unix:PATH: an embedded one is for the service's own user, and root.
	Address      string    `yaml:"address,omitempty"`
	Sentinel     *Sentinel `yaml:"sentinel,omitempty"`
	Username     string    `yaml:"username,omitempty"`
	PasswordFile File      `yaml:"password_file,omitzero"`
	TLS          *TLS      `yaml:"tls,omitempty"` // nil: plain TCP
}

// Sentinel finds the Redis master.
type Sentinel struct {
	Master    string   `yaml:"master"`
	Addresses []string `yaml:"addresses,flow"` // host:port
}

// Journal is the replicated sequence of events.
type Journal struct {
	Retain int `yaml:"retain"` // events kept for groups that haven't acknowledged them: 1 to 10,000,000; default 200,000
	// RetainFor is after how long events are dropped although there is room, acknowledged or not: 1 min to 10 years; 0
	// (`off`, the default) is never.
	RetainFor time.Duration `yaml:"retain_for,omitzero" json:",omitzero"`
}

// Backup is what each FEP keeps of the station's state and configuration.
type Backup struct {
	Dir   string        `yaml:"dir"`   // an absolute path, on each FEP; {node} stands for its id
	Every time.Duration `yaml:"every"` // 1 h to 30 days; default 24 h
	Keep  int           `yaml:"keep"`  // 1 to 1000; default 7
	// PassphraseFile opens the keys, certificates, passwords and tokens of the node, which are in a backup then, encrypted.
	PassphraseFile File `yaml:"passphrase_file,omitzero"`
}

// Trend is the course of analogs that each FEP keeps in memory, for plots.
type Trend struct {
	Length time.Duration `yaml:"length"` // for how long: 10 min to 7 days; default 1 h
	Period time.Duration `yaml:"period"` // between two samples of a point: 1 s to 10 min; default 1 s
}

// IsZero tells whether it's the default one, which is no part of the digest: nodes from before there was a choice have it.
func (t Trend) IsZero() bool { return trend.Shape(t) == trend.Usual }

// RTU is a field device, or a group of them behind one session.
type RTU struct {
	Number        uint32 `yaml:"number"` // 1 to 65535
	Name          string `yaml:"name"`   // default "RTU <number>"
	CommonAddress uint16 `yaml:"common_address"`
	// Sharing are the numbers of the RTUs that name the same addresses, itself too, ascending: a concentrator, behind one
	// connection, whose links and owner they share. nil: it's alone.
	Sharing   []uint32      `yaml:"-" json:"-"`
	Table     File          `yaml:"points" json:"-"`
	IOAFormat AddressFormat `yaml:"ioa_format,omitempty" json:"-"` // of the table
	Points    []Point       `yaml:"-" json:"-"`                    // by kind and number
	// TimeZone is that of the device's clock, an IANA name: of its time tags, and of the time to which it is set; "": the station's.
	TimeZone string         `yaml:"time_zone,omitempty" json:",omitempty"`
	Location *time.Location `yaml:"-" json:"-"`
	// Controls say how controls are operated, of those whose rows say anything.
	Controls map[ControlKey]Control `yaml:"-" json:"-"`
	Prefer   string                 `yaml:"prefer"`   // a FEP's id: where it starts; default the FEP with host 1
	Channels []Channel              `yaml:"channels"` // in the order in which they're tried; channel n is Channels[n-1]
	Retry    time.Duration          `yaml:"retry"`    // between attempts and between channels; default 5 s
	// LinkCheck is how long a started link may be silent before it's challenged by TESTFR; 0 (`off`): as t3 says. Default 2 s.
	LinkCheck    time.Duration `yaml:"link_check"`
	StandbyProbe StandbyProbe  `yaml:"standby_probe"`
	Termination  Termination   `yaml:"termination"`
	Confirm      Confirm       `yaml:"confirm"`
	// Interrogation, CounterInterrogation and ClockSync are periods; 0 (`off`) is none after the start. Defaults: 15 min,
	// 1 h, 1 h.
	Interrogation        time.Duration `yaml:"interrogation"`
	CounterInterrogation time.Duration `yaml:"counter_interrogation"`
	ClockSync            time.Duration `yaml:"clock_sync"`
	// Order is what is asked after a start, one after the other; default interrogation, counters, clock. Interrogation is in it.
	Order []Step `yaml:"order,flow"`
	// CounterFreeze is whether counters are frozen before they are asked for, and CounterGroups which groups of them are asked
	// for, 1 to 4; none: all in one request.
	CounterFreeze CounterFreeze `yaml:"counter_freeze"`
	CounterGroups []int         `yaml:"counter_groups,flow,omitempty"`
	// Tolerant names what the devices may do against the protocol: see iec104.Tolerance.
	Tolerant []string `yaml:"tolerant,flow,omitempty"`
	Files    bool     `yaml:"files,omitempty" json:",omitzero"` // whether the device's files are fetched; default false
	TLS      *TLS     `yaml:"tls,omitempty"`                    // towards the devices (IEC 62351-3); nil: plain TCP
	IEC104   IEC104   `yaml:"iec104,flow"`

	Chatter  Chatter                `yaml:"chatter,omitzero" json:",omitzero"` // of its points whose rows don't say another; default off
	Chatters map[ControlKey]Chatter `yaml:"-" json:"-"`                        // of those whose rows do
}

// StandbyProbe is how the FEP that doesn't own an RTU looks after its channels.
type StandbyProbe string

const (
	ProbeConnect StandbyProbe = "connect" // connects and closes; default
	ProbeHold    StandbyProbe = "hold"    // stays connected, not started
	ProbeOff     StandbyProbe = "off"
)

// Termination is what ends a control that the device has confirmed.
type Termination string

const (
	TerminationDevice Termination = "device" // its ACTTERM; default
	TerminationNone   Termination = "none"   // nothing: it never sends one, and the confirmation is the end
)

// Confirm is what confirms that a DO was operated.
type Confirm string

const (
	ConfirmDevice Confirm = "device" // its ACTCON and ACTTERM; default
	ConfirmState  Confirm = "state"  // the new state of the DI that shows it (column state): the device may answer nothing
)

// LinkMode is how the links of one channel are used.
type LinkMode string

const (
	LinksOneActive LinkMode = "one-active" // one started, the others held with TESTFR only; default
	LinksAllActive LinkMode = "all-active" // distinct devices, each started
)

// Channel is a path to an RTU.
type Channel struct {
	Address string   `yaml:"address"` // as written: address:port or address:port:Mn
	Mode    LinkMode `yaml:"links"`
	Links   []Link   `yaml:"-" json:"-"` // Mn is n+1 links at consecutive addresses; link m is Links[m-1]
}

// Link is one TCP endpoint of a channel.
type Link struct {
	Address netip.AddrPort
}

// IEC104 are the parameters of IEC 60870-5-104, clauses 5.1 to 5.5 and 9.6.
type IEC104 struct {
	K       int           `yaml:"k"`        // 1 to 32767; default 12
	W       int           `yaml:"w"`        // at most two thirds of K; default 8
	T0      time.Duration `yaml:"t0"`       // connection establishment; default 10 s
	T1      time.Duration `yaml:"t1"`       // acknowledgement; default 15 s
	T2      time.Duration `yaml:"t2"`       // before an S-frame; less than T1; default 10 s
	T3      time.Duration `yaml:"t3"`       // before a TESTFR; default 20 s
	COTSize int           `yaml:"cot_size"` // 1 or 2 octets; default 2
	CASize  int           `yaml:"ca_size"`  // 1 or 2 octets; default 2
	IOASize int           `yaml:"ioa_size"` // 1 to 3 octets; default 3
}

// Uplink is a 104s service for a control centre.
type Uplink struct {
	Name          string                    `yaml:"name"`
	CommonAddress uint16                    `yaml:"common_address"`
	Table         File                      `yaml:"points" json:"-"`
	IOAFormat     AddressFormat             `yaml:"ioa_format,omitempty" json:"-"` // of the table
	Sectors       []Sector                  `yaml:"sectors,omitempty" json:",omitzero"`
	Points        []UplinkPoint             `yaml:"-" json:"-"`                            // by sector and IOA, those of all sectors; no point twice
	TimeZone      string                    `yaml:"time_zone,omitempty" json:",omitempty"` // of time tags and of clock synchronization, an IANA name; "": the station's
	Location      *time.Location            `yaml:"-" json:"-"`
	Mode          fsm.Mode                  `yaml:"mode"`
	Listen        map[string]netip.AddrPort `yaml:"listen,flow"` // by node id: one for each FEP; may be a wildcard
	Groups        []Group                   `yaml:"groups"`
	RoleIOA       uint32                    `yaml:"role_ioa,omitempty"`  // M_SP_TB_1: 1 main, 0 standby; 0: not told
	Controls      bool                      `yaml:"controls"`            // default false: controls are refused
	SetClock      bool                      `yaml:"set_clock,omitempty"` // whether a clock sync sets the host's clock; default false
	TLS           *TLS                      `yaml:"tls,omitempty"`       // nil: plain TCP
	IEC104        IEC104                    `yaml:"iec104,flow"`
	Tolerant      []string                  `yaml:"tolerant,flow,omitempty"` // as for an RTU

	// Files are the RTUs whose files its clients may read; none: file transfer is answered as an unknown type.
	Files []UplinkFiles `yaml:"files,omitempty" json:",omitzero"`

	// LinkCheck is how long the main link of a main-standby group may be silent before it's challenged by TESTFR, while the
	// other FEP has a standby link; 0 (`off`): as t3 says. Default 2 s.
	LinkCheck time.Duration `yaml:"link_check"`

	// SubstitutedTime tells whether a time that the FEP has made up is told as such, by RES1 of CP56Time2a (101, clause
	// 7.2.6.18); default true. Without it no time tag has the bit, for centres that can't take it.
	SubstitutedTime bool `yaml:"substituted_time"`
}

// Sector is another station on an uplink's port, with a common address and a table of its own.
type Sector struct {
	CommonAddress uint16        `yaml:"common_address"`
	Table         File          `yaml:"points" json:"-"`
	IOAFormat     AddressFormat `yaml:"ioa_format,omitempty" json:"-"`
}

// UplinkFiles says under which common address the files of an RTU are, with the device's own object addresses and names.
type UplinkFiles struct {
	RTU           uint32 `yaml:"rtu"`
	CommonAddress uint16 `yaml:"common_address"` // of the uplink or one of its sectors; no RTU has the same; default the uplink's
}

// Group is a redundancy group (IEC 60870-5-104 Ed. 2, clause 10): clients that share one queue.
type Group struct {
	Name         string         `yaml:"name"`
	Clients      []netip.Prefix `yaml:"clients,flow"`                // never overlapping those of another group of the uplink
	Certificates []string       `yaml:"certificates,flow,omitempty"` // names of client certificates; none: any of the CA
}

// FNP is the station's part as centre of the channel table.
type FNP struct {
	ID        int                       `yaml:"id"`                    // the centre's own in the network, no station's; default the station's number
	Name      string                    `yaml:"name"`                  // the centre's and the endpoint's; default the station's
	Listen    map[string]netip.AddrPort `yaml:"listen,flow"`           // UDP, by node id; one for each node
	Multicast *netip.AddrPort           `yaml:"multicast,omitempty"`   // nil: to each station in turn
	KeyFile   File                      `yaml:"key_file,omitzero"`     // none: a key that everybody knows, see channeltab.OpenKeys
	Level     int                       `yaml:"level"`                 // 1 to 255, larger is higher; default 1
	Others    []netip.AddrPort          `yaml:"others,flow,omitempty"` // nodes of other centres, those that the multicast does not reach
	Endpoint  *FNPEndpoint              `yaml:"endpoint,omitempty"`    // nil: the pair sends and receives no data
}

// FNPEndpoint is the pair's own entry in the channel table: where it sends and receives data.
type FNPEndpoint struct {
	ID     int                       `yaml:"id"`          // in the network, 1 to 2^53-1; not the centre's
	Listen map[string]netip.AddrPort `yaml:"listen,flow"` // UDP, by the FEPs' ids
}

// Node returns the node with this id.
func (s *Station) Node(id string) (Node, bool) {
	for _, n := range s.Cluster.Nodes {
		if n.ID == id {
			return n, true
		}
	}
	return Node{}, false
}

// RTU returns the RTU with this number.
func (s *Station) RTU(number uint32) (*RTU, bool) {
	for i := range s.RTUs {
		if s.RTUs[i].Number == number {
			return &s.RTUs[i], true
		}
	}
	return nil, false
}

// Uplink returns the uplink with this name.
func (s *Station) Uplink(name string) (*Uplink, bool) {
	for i := range s.Uplinks {
		if s.Uplinks[i].Name == name {
			return &s.Uplinks[i], true
		}
	}
	return nil, false
}
