package configs

import "github.com/goccy/go-yaml"

// YAML is the effective configuration: station.yaml with every default written out. Loaded from the same folder, it
// gives a station with the same digest. It has no secrets, since those are in files that it only names.
func (s *Station) YAML() ([]byte, error) {
	return yaml.MarshalWithOptions(struct {
		Station       *Station `yaml:"station,flow"`
		Cluster       Cluster  `yaml:"cluster"`
		Security      Security `yaml:"security,flow"`
		Redis         Redis    `yaml:"redis"`
		Journal       Journal  `yaml:"journal,flow"`
		RTUs          []RTU    `yaml:"rtus,omitempty"`
		Uplinks       []Uplink `yaml:"uplinks,omitempty"`
		VirtualPoints File     `yaml:"virtual_points,omitzero"`
		FNP           *FNP     `yaml:"fnp,omitempty"`
	}{s, s.Cluster, s.Security, s.Redis, s.Journal, s.RTUs, s.Uplinks, s.VirtualTable, s.FNP}, yaml.IndentSequence(true))
}
