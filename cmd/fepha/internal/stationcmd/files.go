package stationcmd

import (
	"fmt"
	"strconv"
	"strings"
)

// The tables' headings. What may be left out is in docs/CONFIGURATION.md.
const (
	rtuHeading    = "kind,point,ioa,type,name,deadband,scale,offset,unit,invert,category\n"
	uplinkHeading = "ioa,rtu,kind,point,type,name\n"

	rtuTable    = "rtu1.csv"
	uplinkTable = "occ.csv"
)

// stationYAML is a new station's configuration, with a word in braces for each of its parts. A text/template would keep every method
// of every type in the program.
const stationYAML = `# Station {number}. The same file is on all nodes; each has its own keys in tls/.
#   fepha config check station.yaml    what is wrong with it
#   fepha config show station.yaml     with every default written out
#   fepha config apply station.yaml    puts RTUs, uplinks and points in force on the running station
station: {id: {number}, name: {name}, time_zone: {zone}}

# Two front-end processors and a witness. address is between the nodes, api is for people and programs (HTTPS).
cluster:
  nodes:
{nodes}
# Beside this file on each node: of the station's CA, and the node's own.
security: {ca: tls/ca.pem, cert: tls/node.pem, key: tls/node-key.pem}

# The view for other programs on the FEPs: off | embedded | per-node | shared (rtdb/README.md).
redis: {mode: off}

# The field devices. Each has a table of its points: fill it by hand, or
#   fepha config import points.xlsx    from a workbook with a sheet for each table, named as the table
{rtus}
# The control centre, which connects to both FEPs (docs/UPLINKS.md).
{uplinks}`

// What isn't there yet stands in the file as a comment, so that it's known how it's written.
const (
	rtusYAML = `rtus:
  - number: 1
    name: RTU 1
    common_address: 1          # as the device has it
    points: ` + rtuTable + `
    prefer: fep1               # the FEP where it starts; it stays where it was moved to
    channels:                  # in the order in which they are tried
{channels}`

	uplinksYAML = `uplinks:
  - name: occ
    common_address: 100        # as the control centre has it
    points: ` + uplinkTable + `
    mode: main-standby         # exclusive | main-standby | dual-active
    listen: {listen}
    groups: [{name: occ, clients: [{centre}]}]
    controls: false            # true: the control centre may operate devices
`
	begun = "# The table is begun in headings/: copy it here.\n"
)

// yaml is the text of station.yaml.
func (p *plan) yaml() []byte {
	var nodes, channels strings.Builder
	var listen, centre []string
	for _, n := range p.nodes() {
		fmt.Fprintf(&nodes, "    - {id: %s, host: %d, role: %s, address: %q, api: %q}\n", n.id, n.host, n.role, n.at(nodePort), n.at(apiPort))
		if n.role == "fep" {
			listen = append(listen, fmt.Sprintf("%s: %q", n.id, n.at(centrePort)))
		}
	}
	for _, c := range p.channels {
		fmt.Fprintf(&channels, "      - {address: %q}\n", c)
	}
	for _, c := range p.centre {
		centre = append(centre, strconv.Quote(c.String()))
	}
	rtus, uplinks := rtusYAML, uplinksYAML
	if len(p.channels) == 0 {
		channels.WriteString("      - {address: \"192.168.1.1:2404\"}\n")
		rtus = begun + rtus
	}
	if len(p.centre) == 0 {
		centre = []string{"10.10.0.0/16"}
		uplinks = begun + uplinks
	}
	rtus = strings.NewReplacer("{channels}", channels.String()).Replace(rtus)
	uplinks = strings.NewReplacer("{listen}", "{"+strings.Join(listen, ", ")+"}", "{centre}", strings.Join(centre, ", ")).Replace(uplinks)
	if len(p.channels) == 0 {
		rtus = commented(rtus)
	}
	if len(p.centre) == 0 {
		uplinks = commented(uplinks)
	}
	return []byte(strings.NewReplacer("{number}", fmt.Sprint(p.number), "{name}", strconv.Quote(p.name), "{zone}", p.zone.String(),
		"{nodes}", nodes.String(), "{rtus}", rtus, "{uplinks}", uplinks).Replace(stationYAML))
}

// commented makes a comment of each line that is none.
func commented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			line = "# " + line
		}
		b.WriteString(line)
	}
	return b.String()
}
