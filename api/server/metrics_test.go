package server

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fepha/fepha/api"
)

func TestMetrics(t *testing.T) {
	own := prometheus.NewCounter(prometheus.CounterOpts{Name: "fepha_acquisition_asdus_total", Help: "Test."})
	own.Add(42)
	s := serve(t, func(c *Config) { c.Collectors = []prometheus.Collector{own} })
	s.refuses(t, 403, api.CodeUnauthorised, "host", "GET", "/v1/status", "", withHost("evil.example"))
	resp, text := s.request(t, "GET", "/metrics", "")
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		t.Fatalf("%d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	for _, want := range []string{
		`fepha_build_info{date="2026-11-29T00:00:00Z",revision="1a2b",version="test"} 1`,
		`fepha_node_alive{peer="wit",role="witness"} 1`,
		`fepha_journal_last 11`, `fepha_points 3`,
		`fepha_rtu_online{rtu="1"} 1`, `fepha_rtu_owner{owner="fep1",rtu="1"} 1`, `fepha_rtu_owner{owner="fep2",rtu="1"} 0`, `fepha_rtu_epoch{rtu="2"} 1`,
		`fepha_link_state{channel="1",fep="fep1",link="1",rtu="1"} 3`, `fepha_link_state{channel="2",fep="fep2",link="2",rtu="1"} 0`,
		`fepha_uplink_owner{group="main",owner="fep1",uplink="occ"} 1`, `fepha_uplink_clients{group="main",role="main",uplink="occ"} 1`,
		`fepha_uplink_backlog{group="main",uplink="occ"} 3`, `fepha_uplink_dropped_total{group="main",uplink="occ"} 0`,
		`fepha_controls_pending 0`, `fepha_api_refused_total 1`, `fepha_acquisition_asdus_total 42`, `go_goroutines`,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("no %s", want)
		}
	}
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "# TYPE fepha_"); ok && !strings.Contains(text, "# HELP fepha_"+strings.Fields(name)[0]+" ") {
			t.Errorf("no help for %s", name)
		}
	}
}
