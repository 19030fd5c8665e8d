package rig

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

// RTU describes a device and how the station sees it.
type RTU struct {
	Number        uint32
	Name          string
	CommonAddress asdu.CommonAddress // as configured
	Answers       asdu.CommonAddress // the one that the device answers with; 0: CommonAddress
	Points        []sim.DevicePoint
	Prefer        string                                   // "": fep1
	Categories    map[asdu.InformationObjectAddress]string // of outputs; DO or AO
	Source        func(*iec104.Session) iec104.Source      // see sim.DeviceConfig
	Quirks        []sim.Quirk                              // of the device
	Settings      string                                   // more keys of the RTU in station.yaml, one a line
	Behind        uint32                                   // the number of an RTU before it, whose links it shares; 0: it has its own
	Sector        asdu.CommonAddress                       // of the uplink, that has its points; 0: the first
}

// uplinkCA is the common address of the rig's uplink.
const uplinkCA asdu.CommonAddress = 100

// uplinkHeading is that of the uplink's tables.
var uplinkHeading = []string{"ioa", "rtu", "kind", "point", "type", "name"}

func (r *RTU) sector() asdu.CommonAddress { return cmp.Or(r.Sector, uplinkCA) }

// sectors are those of the uplink beyond the first, ascending.
func (s *Station) sectors() (list []asdu.CommonAddress) {
	for _, r := range s.opts.RTUs {
		if r.sector() != uplinkCA {
			list = append(list, r.sector())
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// RoleIOA is the uplink's role point, below all blocks of RTUs.
const RoleIOA asdu.InformationObjectAddress = 1

// uplinkBlock is how many object addresses each RTU has at the control centre:
// three octets of address are enough for the points of 500 RTUs.
const uplinkBlock = 30_000

// UplinkAddress is the object address that a device's point has at the control
// centre: its RTU has a block, in which its points are numbered in order.
func UplinkAddress(rtu uint32, index int) asdu.InformationObjectAddress {
	return asdu.InformationObjectAddress(rtu*uplinkBlock + uint32(index) + 1)
}

// UplinkPoint is what UplinkAddress is made of.
func UplinkPoint(a asdu.InformationObjectAddress) (rtu uint32, index int) {
	return uint32(a) / uplinkBlock, int(a)%uplinkBlock - 1
}

// kindOf is the kind of point that a type belongs to in the tables.
func kindOf(t asdu.TypeID) string {
	switch t {
	case asdu.M_SP_NA_1, asdu.M_SP_TB_1, asdu.M_DP_NA_1, asdu.M_DP_TB_1, asdu.M_EP_TD_1:
		return "di"
	case asdu.M_IT_NA_1, asdu.M_IT_TB_1:
		return "counter"
	case asdu.M_BO_NA_1, asdu.M_BO_TB_1, asdu.M_PS_NA_1, asdu.M_EP_TE_1, asdu.M_EP_TF_1:
		return "bitstring"
	case asdu.C_SC_NA_1, asdu.C_DC_NA_1, asdu.C_RC_NA_1, asdu.C_SC_TA_1, asdu.C_DC_TA_1, asdu.C_RC_TA_1:
		return "do"
	case asdu.C_SE_NA_1, asdu.C_SE_NB_1, asdu.C_SE_NC_1, asdu.C_BO_NA_1, asdu.C_SE_TA_1, asdu.C_SE_TB_1, asdu.C_SE_TC_1, asdu.C_BO_TA_1,
		asdu.P_ME_NA_1, asdu.P_ME_NB_1, asdu.P_ME_NC_1, asdu.P_AC_NA_1:
		return "ao"
	}
	return "ai"
}

// writeFiles writes station.yaml and its tables into a folder and returns the
// path of the former.
func (s *Station) writeFiles(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	o := s.opts
	security, clients := s.place.security()
	var y strings.Builder
	fmt.Fprintf(&y, "station: {id: 21, name: Demo station, time_zone: UTC}\ncluster:\n  nodes:\n")
	for _, n := range s.nodes {
		fmt.Fprintf(&y, "    - {id: %s, host: %d, role: %s, address: %q, api: %q}\n", n.ID, n.host, n.role, n.address, n.api)
	}
	fmt.Fprintf(&y, "  log_store: %s\n  lease: %v\nsecurity: %s\nredis: %s\njournal: {retain: %d}\nrtus:\n", o.LogStore, o.Lease, security, o.Redis, o.Retain)
	uplink := map[asdu.CommonAddress][][]string{}
	for i, r := range s.rtus() {
		prefer := r.Prefer
		if prefer == "" {
			prefer = "fep1"
		}
		fmt.Fprintf(&y, "  - number: %d\n    name: %q\n    common_address: %d\n    points: rtu%d.csv\n    prefer: %s\n    channels:\n", r.Number, r.Name, r.CommonAddress, r.Number, prefer)
		for _, address := range s.channels(i) {
			fmt.Fprintf(&y, "      - {address: %q}\n", address)
		}
		fmt.Fprintf(&y, "    retry: %v\n    standby_probe: %s\n    iec104: {k: %d, w: %d}\n", o.Retry, o.Probe, o.K, o.window())
		for line := range strings.Lines(r.Settings) {
			y.WriteString("    " + line)
		}
		points := [][]string{{"kind", "point", "ioa", "type", "name", "deadband", "scale", "offset", "unit", "invert", "category"}}
		for j, p := range r.Points {
			number := strconv.Itoa(int(p.Address))
			kind := kindOf(p.Type)
			typ, category := "", ""
			switch {
			case kind == "bitstring", p.Type == asdu.M_EP_TD_1: // told as what they are, or not at all
				typ = p.Type.String()
			case p.Type.IsCommand(), p.Type.IsParameter():
				typ, category = p.Type.String(), cmp.Or(r.Categories[p.Address], strings.ToUpper(kind))
			}
			points = append(points, []string{kind, number, number, typ, fmt.Sprintf("%s %d of RTU %d", kind, p.Address, r.Number), "", "", "", "", "", category})
			forwarded := p.Type
			if kind == "di" || kind == "bitstring" {
				forwarded = p.Type.WithCP56()
			}
			sector := r.sector()
			uplink[sector] = append(uplink[sector], []string{strconv.Itoa(int(UplinkAddress(r.Number, j))), strconv.Itoa(int(r.Number)), kind, number, forwarded.String(), ""})
		}
		if err := writeCSV(filepath.Join(dir, fmt.Sprintf("rtu%d.csv", r.Number)), points); err != nil {
			return "", err
		}
	}
	certificates, tls := "", ""
	if s.keys != nil {
		certificates = fmt.Sprintf(", certificates: [%s]", uplinkClient)
		tls = fmt.Sprintf("    tls: {ca: %[1]s/ca.pem, cert: %[1]s/node.pem, key: %[1]s/node-key.pem}\n", uplinkKeys)
	}
	fmt.Fprintf(&y, "uplinks:\n  - name: occ\n    common_address: %d\n    points: occ.csv\n    mode: %s\n    listen: {fep1: %q, fep2: %q}\n    groups: [{name: occ, clients: [%s]%s}]\n    controls: true\n    iec104: {k: %d, w: %d}\n",
		uplinkCA, o.Mode, s.Uplinks()[0], s.Uplinks()[1], clients, certificates, o.K, o.window())
	y.WriteString(tls)
	for line := range strings.Lines(o.UplinkSettings) {
		y.WriteString("    " + line)
	}
	if o.Mode != "exclusive" {
		fmt.Fprintf(&y, "    role_ioa: %d\n", RoleIOA)
	}
	if len(s.sectors()) > 0 {
		y.WriteString("    sectors:\n")
	}
	for _, sector := range append([]asdu.CommonAddress{uplinkCA}, s.sectors()...) {
		file := "occ.csv"
		if sector != uplinkCA {
			file = fmt.Sprintf("occ-%d.csv", sector)
			fmt.Fprintf(&y, "      - {common_address: %d, points: %s}\n", sector, file)
		}
		if err := writeCSV(filepath.Join(dir, file), append([][]string{uplinkHeading}, uplink[sector]...)); err != nil {
			return "", err
		}
	}
	if o.Exports != "" {
		fmt.Fprintf(&y, "exports:\n%s", o.Exports)
	}
	if o.Hostile {
		if err := s.writeHostile(dir, &y, uplink[uplinkCA]); err != nil {
			return "", err
		}
	}
	if s.fnp != nil {
		if err := s.fnp.write(dir, &y); err != nil {
			return "", err
		}
	}
	path := filepath.Join(dir, "station.yaml")
	return path, os.WriteFile(path, []byte(y.String()), 0o644)
}

func writeCSV(path string, rows [][]string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	if err := w.WriteAll(rows); err != nil {
		_ = f.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	return f.Close()
}
