package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/configs"
)

// An address that isn't there when a node starts, here since another process
// has the port, doesn't end it: it is tried again, and said once.
func TestListenersThatComeLate(t *testing.T) {
	config := loopbackStation(t)
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	var udp [3]net.PacketConn
	for i := range udp {
		if udp[i], err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		defer udp[i].Close()
	}
	redis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer redis.Close()
	changed := strings.Replace(string(text), "{mode: embedded}", fmt.Sprintf("{mode: embedded, address: %q}", redis.Addr()), 1)
	changed += fmt.Sprintf("fnp: {id: 900, listen: {fep1: %q, fep2: %q, wit: %q}, level: 1}\n", udp[0].LocalAddr(), udp[1].LocalAddr(), udp[2].LocalAddr())
	if err := os.WriteFile(config, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	station, err := configs.Load(config)
	if err != nil {
		t.Fatal(err)
	}
	self, _ := station.Node("fep1")
	taken := []net.Listener{redis}
	for _, address := range []string{self.API.String(), station.Uplinks[0].Listen["fep1"].String()} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		taken = append(taken, l)
	}

	others := []*nodeProcess{startNode(t, config, "fep2"), startNode(t, config, "wit")}
	p := startNode(t, config, "fep1")
	p.says("node started")
	what := []string{"what=api", "what=\"embedded Redis\"", "what=\"FNP centre\"", "uplink=occ"}
	until(t, "all four to be said", func() bool {
		return strings.Count(p.said(), "can't listen, trying again") == len(what)
	})
	for _, w := range what {
		if !strings.Contains(p.said(), w) {
			t.Errorf("nothing is said of %s", w)
		}
	}
	p.says("can't listen, trying again") // and goes on: it takes part in the group
	other := client.Client{Base: "http://" + station.Cluster.Nodes[1].API.String()}
	until(t, "fep1 to own its RTU nevertheless", func() bool {
		st, err := other.Status(t.Context())
		return err == nil && len(st.RTUs) > 0 && st.RTUs[0].Owner == "fep1"
	})

	for _, l := range taken {
		_ = l.Close()
	}
	for _, l := range udp {
		_ = l.Close()
	}
	own := client.Client{Base: "http://" + self.API.String()}
	until(t, "the API to answer", func() bool { _, err := own.Status(t.Context()); return err == nil })
	until(t, "FNP to listen", func() bool { st, err := own.FNP(t.Context()); return err == nil && st.Centre.Listening })
	until(t, "Redis to listen", func() bool { return connects(redis.Addr().String()) })
	until(t, "the uplink to listen", func() bool { return connects(station.Uplinks[0].Listen["fep1"].String()) })
	if n := strings.Count(p.said(), "can't listen, trying again"); n != len(what) {
		t.Errorf("said %d times that an address can't be had, want %d", n, len(what))
	}
	for _, n := range append(others, p) {
		if n.cmd.ProcessState != nil {
			t.Error("a node has ended")
		}
	}
}

func connects(address string) bool {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// What is wrong with the configuration is found before the node has a folder,
// let alone an RTU.
func TestWrongFilesAreFoundBeforeJoining(t *testing.T) {
	for name, change := range map[string]struct{ old, new string }{
		"certificate of an uplink": {"    controls: true\n", "    controls: true\n    tls: {ca: bad.pem, cert: bad.pem, key: bad.pem}\n"},
		"certificate of Redis":     {"{mode: embedded}", "{mode: per-node, address: \"127.0.0.1:6379\", tls: {ca: bad.pem}}"},
		"keys of FNP":              {"virtual_points:", "fnp: {id: 900, listen: {fep1: \"127.0.0.1:1901\", fep2: \"127.0.0.1:1902\", wit: \"127.0.0.1:1903\"}, level: 1, key_file: bad.pem}\nvirtual_points:"},
		"certificate of the API":   {"{insecure: true}", "{ca: bad.pem, cert: bad.pem, key: bad.pem}"},
	} {
		t.Run(name, func(t *testing.T) {
			config := loopbackStation(t)
			text, err := os.ReadFile(config)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), change.old) {
				t.Fatalf("no %q in the example", change.old)
			}
			if err := os.WriteFile(config, []byte(strings.Replace(string(text), change.old, change.new, 1)), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(filepath.Dir(config), "bad.pem"), []byte("no key\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			data := filepath.Join(filepath.Dir(config), "data")
			fepha(t, cli.ExitConfig, "node", "--config", config, "--id", "fep1", "--data-dir", data)
			if _, err := os.Stat(data); !os.IsNotExist(err) {
				t.Errorf("it had begun already: %v", err)
			}
		})
	}
}
