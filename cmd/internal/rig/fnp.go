package rig

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// The ids of the rig's centre and of its endpoint.
const (
	FNPCentre   = 900
	FNPEndpoint = 901
)

// fnp is where the station's part in FNP is.
type fnp struct {
	centre   []string // of fep1, fep2, wit
	endpoint []string // of fep1, fep2
	group    string   // "": nothing is multicast
	keyFile  string   // as written last
	secret   string
}

func newFNP(p place) (*fnp, error) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	f := &fnp{secret: hex.EncodeToString(secret[:])}
	if p.network != nil {
		for _, id := range []string{"fep1", "fep2", "wit"} {
			f.centre = append(f.centre, hostAddress(id)+":7400")
		}
		f.endpoint = []string{hostAddress("fep1") + ":7401", hostAddress("fep2") + ":7401"}
		return f, nil
	}
	addresses, err := p.free.take(6)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addresses[5])
	if err != nil {
		return nil, err
	}
	f.centre, f.endpoint, f.group = addresses[:3], addresses[3:5], "239.255.74.11:"+port
	return f, nil
}

// write writes the key file into the folder of a configuration, and FNP's part of it.
func (f *fnp) write(dir string, y io.Writer) error {
	fmt.Fprintf(y, "fnp:\n  id: %d\n  name: pair\n  listen: {fep1: %q, fep2: %q, wit: %q}\n  key_file: fnp.key\n  endpoint:\n    id: %d\n    listen: {fep1: %q, fep2: %q}\n",
		FNPCentre, f.centre[0], f.centre[1], f.centre[2], FNPEndpoint, f.endpoint[0], f.endpoint[1])
	if f.group != "" {
		fmt.Fprintf(y, "  multicast: %q\n", f.group)
	}
	f.keyFile = filepath.Join(dir, "fnp.key")
	return os.WriteFile(f.keyFile, []byte("1:"+f.secret+"\n"), 0o600)
}

// FNPStationFile writes the configuration of a station of the FNP network, which listens on a free port of loopback and
// keeps its copy of the table beside it. Without a key file it has the network's.
func (s *Station) FNPStationFile(id int, name, keyFile string) (string, error) {
	if keyFile == "" {
		keyFile = s.fnp.keyFile
	}
	path := filepath.Join(s.opts.Dir, name+".yaml")
	return path, os.WriteFile(path, fmt.Appendf(nil, "id: %d\nname: %s\nlisten: \"127.0.0.1:0\"\ncentres: [%s]\nmulticast: %q\nkey_file: %s\ncopy_file: %s.copy\n",
		id, name, `"`+strings.Join(s.fnp.centre, `", "`)+`"`, s.fnp.group, keyFile, name), 0o644)
}

// FNPEndpoints are the addresses of the endpoint on fep1 and fep2.
func (s *Station) FNPEndpoints() []string { return s.fnp.endpoint }

// FNPCentres are the addresses of the centre on fep1, fep2 and wit.
func (s *Station) FNPCentres() []string { return s.fnp.centre }

// FNPGroup is the multicast group of the table.
func (s *Station) FNPGroup() string { return s.fnp.group }

// FNPKeyFile is the key file of the network.
func (s *Station) FNPKeyFile() string { return s.fnp.keyFile }
