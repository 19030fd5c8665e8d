package stationcmd

import (
	"bytes"
	"strconv"
	"text/template"
)

// The tables' headings. What may be left out is in docs/CONFIGURATION.md.
const (
	rtuHeading    = "kind,point,ioa,type,name,deadband,scale,offset,unit,invert,category\n"
	uplinkHeading = "ioa,rtu,kind,point,type,name\n"

	rtuTable    = "rtu1.csv"
	uplinkTable = "occ.csv"
)

// stationYAML is a new station's configuration. What isn't there yet stands in it as a comment, so that it's known how it's written.
var stationYAML = template.Must(template.New("station.yaml").Funcs(template.FuncMap{"quote": strconv.Quote}).Parse(
	`# Station {{.Number}}. The same file is on all nodes; each has its own keys in tls/.
#   fepha config check station.yaml    what is wrong with it
#   fepha config show station.yaml     with every default written out
#   fepha config apply station.yaml    puts RTUs, uplinks and points in force on the running station
station: {id: {{.Number}}, name: {{quote .Name}}, time_zone: {{.Zone}}}

# Two front-end processors and a witness. address is between the nodes, api is for people and programs (HTTPS).
cluster:
  nodes:
{{- range .Nodes}}
    - {id: {{.ID}}, host: {{.Host}}, role: {{.Role}}, address: "{{.Address}}", api: "{{.API}}"}
{{- end}}

# Beside this file on each node: of the station's CA, and the node's own.
security: {ca: tls/ca.pem, cert: tls/node.pem, key: tls/node-key.pem}

# The view for other programs on the FEPs: off | embedded | per-node | shared (rtdb/README.md).
redis: {mode: off}

# The field devices. Each has a table of its points: fill it by hand, or
#   fepha config import points.xlsx    from a workbook with a sheet for each table, named as the table
{{if .Channels -}}
rtus:
  - number: 1
    name: RTU 1
    common_address: 1          # as the device has it
    points: {{.RTUTable}}
    prefer: fep1               # the FEP where it starts; it stays where it was moved to
    channels:                  # in the order in which they are tried
{{- range .Channels}}
      - {address: "{{.}}"}
{{- end}}
{{- else -}}
# rtus:
#   - number: 1
#     name: RTU 1
#     common_address: 1          # as the device has it
#     points: {{.RTUTable}}           # begun in headings/: copy it here
#     prefer: fep1               # the FEP where it starts; it stays where it was moved to
#     channels:                  # in the order in which they are tried
#       - {address: "192.168.1.1:2404"}
{{- end}}

# The control centre, which connects to both FEPs (docs/UPLINKS.md).
{{if .Centre -}}
uplinks:
  - name: occ
    common_address: 100        # as the control centre has it
    points: {{.UplinkTable}}
    mode: main-standby         # exclusive | main-standby | dual-active
    listen: {{"{"}}{{.Listen}}{{"}"}}
    groups: [{name: occ, clients: [{{.Centre}}]}]
    controls: false            # true: the control centre may operate devices
{{- else -}}
# uplinks:
#   - name: occ
#     common_address: 100        # as the control centre has it
#     points: {{.UplinkTable}}            # begun in headings/: copy it here
#     mode: main-standby         # exclusive | main-standby | dual-active
#     listen: {{"{"}}{{.Listen}}{{"}"}}
#     groups: [{name: occ, clients: [10.10.0.0/16]}]
#     controls: false            # true: the control centre may operate devices
{{- end}}
`))

// yaml is the text of station.yaml.
func (p *plan) yaml() ([]byte, error) {
	type node struct {
		ID, Role     string
		Host         int
		Address, API string
	}
	data := struct {
		Number                uint16
		Name, Zone            string
		Nodes                 []node
		Channels              []string
		Centre, Listen        string
		RTUTable, UplinkTable string
	}{Number: p.number, Name: p.name, Zone: p.zone.String(), RTUTable: rtuTable, UplinkTable: uplinkTable}
	for _, n := range p.nodes() {
		data.Nodes = append(data.Nodes, node{n.id, n.role, n.host, n.at(nodePort), n.at(apiPort)})
		if n.role == "fep" {
			if data.Listen != "" {
				data.Listen += ", "
			}
			data.Listen += n.id + `: "` + n.at(centrePort) + `"`
		}
	}
	for _, c := range p.channels {
		data.Channels = append(data.Channels, c.String())
	}
	for i, c := range p.centre {
		if i > 0 {
			data.Centre += ", "
		}
		data.Centre += strconv.Quote(c.String())
	}
	var b bytes.Buffer
	err := stationYAML.Execute(&b, data)
	return b.Bytes(), err
}
