package trialcmd

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/internal/lockedbuffer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a simulator until the test ends, or stop is called. Its error is the test's.
func start(t *testing.T, in io.Reader, args ...string) (out *lockedbuffer.Buffer, stop func()) {
	t.Helper()
	out = &lockedbuffer.Buffer{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	cmd := command(out, in, args)
	go func() { ended <- cmd.ExecuteContext(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("%v: %v", args, err)
		}
	})
	t.Cleanup(stop)
	return out, stop
}

func command(out io.Writer, in io.Reader, args []string) *cobra.Command {
	cmd := NewSimCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetIn(in)
	cmd.SetOut(out)
	cmd.SetErr(out)
	return cmd
}

// printed waits until a command has printed something, and returns its groups.
func printed(t *testing.T, out *lockedbuffer.Buffer, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if m := re.FindStringSubmatch(out.String()); m != nil {
			return m
		}
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %q in\n%s", pattern, out)
		}
	}
}

// A concentrator and a control centre that has a sector for each of its common addresses, both in another zone than the machine:
// each event is told with its common address, and with the instant at which it was.
func TestSimulatedSectorsInAZone(t *testing.T) {
	rtu, _ := start(t, strings.NewReader(""), "rtu", "--listen", "127.0.0.1:0", "--ca", "1,2", "--rate", "50", "--time-zone", "Asia/Shanghai")
	address := printed(t, rtu, `device 2: 20 points on (\S+)`)[1]
	occ, stop := start(t, nil, "occ", "--connect", address, "--ca", "1,2", "--time-zone", "Asia/Shanghai")
	for _, ca := range []string{"1", "2"} {
		tag := printed(t, occ, `object \d+ of `+ca+` at (\S+\+08:00) value`)[1]
		at, err := time.Parse(time.RFC3339, tag)
		if err != nil || time.Since(at).Abs() > time.Minute {
			t.Errorf("common address %s: an event of just now is told as of %s, %v", ca, tag, err)
		}
	}
	stop()
	printed(t, occ, `\d+ events, 0 repeated, .* 1 links started`)
}

// The device of an RTU has the points of its table, and what shares its links is behind them too.
func TestSimulatedRTUOfAConfiguration(t *testing.T) {
	dir := t.TempDir()
	const heading = "kind,point,ioa,type,name,deadband,scale,offset,unit,invert,category,bit"
	for name, content := range map[string]string{
		"station.yaml": `station: {id: 1, name: S, time_zone: UTC}
cluster:
  nodes:
    - {id: fep1, host: 1, role: fep, address: "127.0.0.1:7301", api: "127.0.0.1:7311"}
    - {id: fep2, host: 2, role: fep, address: "127.0.0.1:7302", api: "127.0.0.1:7312"}
    - {id: wit, host: 3, role: witness, address: "127.0.0.1:7303", api: "127.0.0.1:7313"}
security: {insecure: true}
rtus:
  - {number: 1, common_address: 11, points: bay1.csv, channels: [{address: "127.0.0.1:2404"}]}
  - {number: 2, common_address: 12, points: bay2.csv, channels: [{address: "127.0.0.1:2404"}]}
`,
		"bay1.csv": heading + "\ndi,1,1,,,,,,,,,\nai,2,4001,,,,,,,,,\ndo,1,6001,C_SC_NA_1,,,,,,,DO,\n",
		"bay2.csv": heading + "\ndi,1,1,M_PS_NA_1,,,,,,,,0\ndi,2,1,M_PS_NA_1,,,,,,,,1\ndi,3,2,,,,,,,,,\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "station.yaml")
	in, say := io.Pipe()
	defer say.Close()
	out, _ := start(t, in, "rtu", "--config", config, "--rtu", "2", "--listen", "127.0.0.1:0")
	printed(t, out, `device 11: 3 points on \S+\ndevice 12: 2 points on \S+`)
	if _, err := io.WriteString(say, "count\nbreak 9\n"); err != nil {
		t.Fatal(err)
	}
	printed(t, out, `device 11: 0 events sent\ndevice 12: 0 events sent\n0 ASDUs not acknowledged\nno such link: 8 of 1`)

	for _, c := range []struct{ args, say string }{
		{"rtu --config " + config + " --rtu 7", "--rtu 7: "},
		{"rtu --config " + config + " --rtu 1 --ca 3", "--rtu and --ca: expected one of them"},
		{"rtu --ca 0", "--ca 0: expected common addresses from 1 to 65534"},
		{"rtu --ca 1,70000", "--ca 70000: "},
		{"occ --connect 127.0.0.1:1 --ca 5,5", "--ca 5: "},
		{"rtu --time-zone Peking", `--time-zone "Peking": expected an IANA time zone`},
	} {
		err := command(io.Discard, nil, strings.Fields(c.args)).ExecuteContext(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), c.say) || cli.ExitCode(err) != cli.ExitUsage {
			t.Errorf("%s: %v", c.args, err)
		}
	}
}
