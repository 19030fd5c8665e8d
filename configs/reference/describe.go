package reference

import "strings"

// description is what a key is for, and, where it depends on other keys, its default.
type description struct{ text, usual string }

// sections are the keys of the first level, in the page's order, with what is to be known of all below them.
var sections = []struct{ key, text string }{
	{"station", "What the station is called."},
	{"cluster", "The three nodes: two FEPs and a witness. The same on all of them."},
	{"security", "The keys between nodes and of the API: [SECURITY.md](SECURITY.md)."},
	{"redis", "Where the view is published: [rtdb/README.md](../rtdb/README.md)."},
	{"journal", "The replicated sequence of events."},
	{"trend", "The course of analogs that each FEP keeps in memory, for plots. What would take more than 256 MiB is refused."},
	{"rtus", "A list: the field devices, at most 65,535. See [ACQUISITION.md](ACQUISITION.md)."},
	{"uplinks", "A list: the services for control centres. See [UPLINKS.md](UPLINKS.md)."},
	{"virtual_points", "Points that fepha itself produces."},
	{"fnp", "The station as a centre of an FNP network: [FNP.md](FNP.md). Without it there's none."},
	{"exports", "A list, at most 16: where records go on to. See [EXPORTS.md](EXPORTS.md)."},
	{"backup", "What each FEP keeps of state and configuration: [RECOVERY.md](RECOVERY.md#backups). Without it none is made."},
}

// describe is what every key is for, by its path; of what is alike at several places by *. and its end.
var describe = map[string]description{
	"station.id":        {"The station's number in the metro; in exports and reports", ""},
	"station.name":      {"For people", "`Station` and its number"},
	"station.time_zone": {"Of times in messages, and of devices and control centres that have none of their own", ""},

	"cluster.nodes":           {"The nodes, each with the keys below: two of role `fep` and one `witness`", ""},
	"cluster.log_store":       {"What the Raft log is kept in", ""},
	"cluster.lease":           {"How long a node may act without hearing from the leader: nearly all of a takeover's time. Longer where network or disks are slow: [FAILOVER.md](FAILOVER.md)", ""},
	"cluster.nodes[].id":      {"Its name: in commands, conditions and file names", ""},
	"cluster.nodes[].host":    {"Its number: the FEPs are 1 and 2, the witness is 3", ""},
	"cluster.nodes[].role":    {"A FEP collects and forwards, the witness votes and stores", ""},
	"cluster.nodes[].address": {"TCP, between the nodes; no wildcard", ""},
	"cluster.nodes[].api":     {"HTTP or HTTPS: the tool, the page, `/metrics`; may be a wildcard", ""},

	"security.insecure": {"No keys at all: accepted only while every address is loopback, and instead of all keys below", ""},
	"security.ca":       {"PEM: the station's CA; needed unless `insecure`", ""},
	"security.cert":     {"PEM: the node's certificate; needed unless `insecure`", ""},
	"security.key":      {"PEM: its key; needed unless `insecure`", ""},
	"security.tokens":   {"YAML: tokens that open the API without a quorum; without it there are only those of `fepha token`", ""},

	"redis.mode":               {"`embedded`: a server in each FEP; `per-node`: one beside each FEP; `shared`: one for both", ""},
	"redis.address":            {"`host:port`; with `embedded` and `per-node` also `unix:PATH`", "`per-node`: 127.0.0.1:6379; `embedded`: a free port on loopback"},
	"redis.username":           {"Needs `password_file`", ""},
	"redis.password_file":      {"One line; needed by `embedded` beyond loopback", ""},
	"redis.sentinel":           {"With `shared`, instead of `address`", ""},
	"redis.sentinel.master":    {"The name under which the sentinels know the master", ""},
	"redis.sentinel.addresses": {"`host:port` of each sentinel", ""},
	"redis.tls":                {"TLS towards the server; `{}` for the system's certificates. Not with `embedded`", "plain TCP"},

	"journal.retain":     {"Events that are kept for control centres and exports that haven't acknowledged them.", ""},
	"journal.retain_for": {"After how long events are dropped although there is room, acknowledged or not", ""},
	"trend.length":       {"For how long it is kept", ""},
	"trend.period":       {"Between two samples of a point", ""},

	"rtus[].number":                {"Its number in the station", ""},
	"rtus[].name":                  {"For people", "`RTU` and its number"},
	"rtus[].common_address":        {"The device's common address of ASDUs; at most 254 with `ca_size: 1`", ""},
	"rtus[].points":                {"Its table: [columns](#table-of-an-rtu). RTUs may share one", ""},
	"rtus[].ioa_format":            {"How the table writes addresses that have parts, such as 1.64.0", "addresses are whole numbers"},
	"rtus[].prefer":                {"The FEP where it starts; there's no automatic fail-back", "the FEP with host 1"},
	"rtus[].channels":              {"The paths to it, in the order in which they are tried, each with the keys below", ""},
	"rtus[].channels[].address":    {"`address:port`, or `address:port:Mn` for n+1 links at consecutive addresses", ""},
	"rtus[].channels[].links":      {"`one-active`: one link is started, the others are held; `all-active`: each is another device", ""},
	"rtus[].retry":                 {"Wait between attempts to connect, and between channels", ""},
	"rtus[].link_check":            {"How long a started link may be silent before a TESTFR; `off`: as t3 says", ""},
	"rtus[].standby_probe":         {"How the other FEP looks after the channels: `connect` and close, `hold` a connection, or `off`", ""},
	"rtus[].termination":           {"What ends a control: the device's ACTTERM, or `none`: its confirmation is the end", ""},
	"rtus[].confirm":               {"What confirms a DO: the `device`, or the `state` of the DI in column `state`", ""},
	"rtus[].interrogation":         {"Period of the station interrogation; `off`: after a start only", ""},
	"rtus[].counter_interrogation": {"Period of the counter interrogation; `off`: after a start only", ""},
	"rtus[].clock_sync":            {"Period of the clock synchronisation; `off`: after a start only", ""},
	"rtus[].order":                 {"What is asked after a start, one after the other; `interrogation` must be among it", ""},
	"rtus[].counter_freeze":        {"Whether counters are frozen (and reset) before they are asked for", ""},
	"rtus[].counter_groups":        {"The groups of counters that are asked for", "all in one request"},
	"rtus[].tolerant":              {"What the device may do against the protocol: [ACQUISITION.md](ACQUISITION.md#when-the-other-side-is-peculiar)", "nothing"},
	"rtus[].tls":                   {"TLS towards the device (IEC 62351-3); `{}` for the system's certificates", "plain TCP"},
	"rtus[].files":                 {"Whether the device's files are fetched: [ACQUISITION.md](ACQUISITION.md#files-of-devices)", ""},
	"rtus[].chatter":               {"From when on a point of it chatters: its changes then are no events", ""},
	"rtus[].time_zone":             {"Of the device's clock", "the station's"},

	"uplinks[].name":                     {"Its name: in commands, conditions and virtual points", ""},
	"uplinks[].common_address":           {"The station's common address for the control centre; at most 254 with `ca_size: 1`", ""},
	"uplinks[].points":                   {"Its table: [columns](#table-of-an-uplink)", ""},
	"uplinks[].ioa_format":               {"How the table writes addresses that have parts", "addresses are whole numbers"},
	"uplinks[].mode":                     {"Which FEP serves the control centre", ""},
	"uplinks[].listen":                   {"TCP, one for each FEP; may be a wildcard", ""},
	"uplinks[].link_check":               {"`main-standby`: how long the main link may be silent before a TESTFR while the other FEP has a standby link; `off`: as t3 says", ""},
	"uplinks[].controls":                 {"Whether the control centre may operate; otherwise controls are refused", ""},
	"uplinks[].set_clock":                {"Whether its clock synchronisation sets the host's clock", ""},
	"uplinks[].tls":                      {"TLS (IEC 62351-3): clients must show a certificate of `ca`", "plain TCP"},
	"uplinks[].tolerant":                 {"What the control centre may do against the protocol: [UPLINKS.md](UPLINKS.md)", "nothing"},
	"uplinks[].substituted_time":         {"Whether a time that fepha has made up bears RES1", ""},
	"uplinks[].time_zone":                {"Of time tags and clock synchronisation", "the station's"},
	"uplinks[].role_ioa":                 {"Information object address of the role, M_SP_TB_1: 1 main, 0 standby", "the role isn't told"},
	"uplinks[].sectors":                  {"More common addresses on the same port, each with the keys below", ""},
	"uplinks[].sectors[].common_address": {"Its common address", ""},
	"uplinks[].sectors[].points":         {"Its table: [columns](#table-of-an-uplink)", ""},
	"uplinks[].sectors[].ioa_format":     {"How that table writes addresses that have parts", "addresses are whole numbers"},
	"uplinks[].files":                    {"RTUs whose files may be read, each with the keys below", "none"},
	"uplinks[].files[].rtu":              {"Number of one with `files: true`", ""},
	"uplinks[].files[].common_address":   {"Under which its files are, of the uplink or a sector; no other RTU's", "the uplink's"},
	"uplinks[].groups":                   {"Redundancy groups (clause 10), each with a queue of its own and the keys below", ""},
	"uplinks[].groups[].name":            {"Its name", ""},
	"uplinks[].groups[].clients":         {"Who is of the group; no address in two groups", ""},
	"uplinks[].groups[].certificates":    {"With `tls`: names of client certificates", "any of the CA"},

	"virtual_points": {"A table: [columns](#table-of-virtual-points)", ""},

	"fnp.listen":          {"UDP, one for each node, since each may lead; no wildcard", ""},
	"fnp.id":              {"The centre's id in the network", "the station's number"},
	"fnp.name":            {"The centre's and the endpoint's name", "the station's"},
	"fnp.multicast":       {"The group to which the table is sent", "no multicast"},
	"fnp.key_file":        {"The network's keys; needed unless `security.insecure`", ""},
	"fnp.level":           {"Of two centres the one with the higher level leads", ""},
	"fnp.others":          {"Nodes of other centres that the multicast doesn't reach", ""},
	"fnp.endpoint":        {"The pair's own entry in the table", "the pair sends and receives no data"},
	"fnp.endpoint.id":     {"Its id, not the centre's", ""},
	"fnp.endpoint.listen": {"UDP, one for each FEP; no wildcard", ""},

	"backup.dir":             {"An absolute path on each FEP; {node} stands for its id", ""},
	"backup.every":           {"After which time each FEP makes one", ""},
	"backup.keep":            {"How many of its own each FEP keeps; older ones are removed", ""},
	"backup.passphrase_file": {"One line: with it the node's keys and passwords are in the backup too, encrypted", ""},

	"exports[].name":          {"Its name: in commands and conditions", ""},
	"exports[].kind":          {"What the target is. The keys below are for the kinds that they name, or for all", ""},
	"exports[].content":       {"Which records it takes", "`events`; `syslog`: `all`"},
	"exports[].values":        {"How often values that have changed are written too", ""},
	"exports[].url":           {"The target, without a password", ""},
	"exports[].username":      {"For SASL", ""},
	"exports[].password_file": {"One line", ""},
	"exports[].topic":         {"`mqtt`: may have {station}, {rtu}, {kind}, {point} after a text of its own", ""},
	"exports[].brokers":       {"`host:port` of each", ""},
	"exports[].tls":           {"TLS; `{}` for the system's certificates. Needed beyond loopback", ""},
	"exports[].dir":           {"An absolute path on each FEP; {node} stands for its id", ""},
	"exports[].format":        {"How rows are written", ""},
	"exports[].rotate":        {"After how long a file ends", ""},
	"exports[].keep":          {"After how long a file that has ended is removed; `off`: never", ""},
	"exports[].compress":      {"Of files that have ended", ""},
	"exports[].free_mb":       {"MiB that are to stay free on the disk of `dir`", ""},

	"*.tls.ca":          {"PEM: the CA of the other side", "the system's"},
	"*.tls.cert":        {"PEM: the certificate that is shown", "none"},
	"*.tls.key":         {"PEM: its key, together with `cert`", "none"},
	"*.tls.server_name": {"The name in the other side's certificate", "the address's"},
	"*.iec104.k":        {"I-frames that may wait for an acknowledgement", ""},
	"*.iec104.w":        {"I-frames after which one is sent; at most two thirds of k", ""},
	"*.iec104.t0":       {"Time-out of a connection's establishment", ""},
	"*.iec104.t1":       {"Time-out of an acknowledgement", ""},
	"*.iec104.t2":       {"Time after which an S-frame is sent; less than t1", ""},
	"*.iec104.t3":       {"Silence after which a TESTFR is sent", ""},
	"*.iec104.cot_size": {"Octets of the cause of transmission", ""},
	"*.iec104.ca_size":  {"Octets of the common address", ""},
	"*.iec104.ioa_size": {"Octets of the information object address", ""},
	"*.iec104":          {"Parameters of IEC 60870-5-104 (5.1 to 5.5, 9.6)", ""},
}

// describeFNPStation is of the file of an ordinary station, of `fepha fnp station`.
var describeFNPStation = map[string]description{
	"id":        {"Its id in the network", ""},
	"name":      {"Its name", "`Station` and its id"},
	"listen":    {"UDP; an IP address and a port, 0 for any that is free", ""},
	"advertise": {"The address that the table is to hold", "`listen`"},
	"centres":   {"Nodes of the centre; this or `multicast` is needed", ""},
	"multicast": {"The group to which the centre sends the table", ""},
	"interface": {"The interface of the multicast, by name", "the one with the address of `listen`"},
	"key_file":  {"The network's keys; needed unless `insecure`", ""},
	"insecure":  {"A key that everybody knows: accepted only while every address is loopback", ""},
	"copy_file": {"Where the copy of the table is kept", "nowhere"},
}

// described finds what a key is for.
func described(of map[string]description, path string) (d description, known bool) {
	if d, known = of[path]; known {
		return d, true
	}
	for end, d := range of {
		if rest, shared := strings.CutPrefix(end, "*"); shared && strings.HasSuffix(path, rest) {
			return d, true
		}
	}
	return d, false
}
