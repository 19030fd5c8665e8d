package iec104

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

// benchServer is the environment variable that makes this test binary the
// other process of BenchmarkTransfer: how many objects an ASDU shall have.
const benchServer = "IEC104_BENCH_OBJECTS"

// benchSource sends M_SP_TB_1 without end, built anew each time.
type benchSource struct {
	objects int
	index   uint64
	b       asdu.Builder
	o       asdu.Object
}

func (s *benchSource) Next() (asdu.ASDU, uint64, bool) {
	_ = s.b.Reset(asdu.DefaultProfile, asdu.Header{Type: asdu.M_SP_TB_1, Cause: asdu.Spontaneous, CommonAddress: 1})
	for range s.objects {
		s.o.Address = s.o.Address%60000 + 1
		if err := s.b.Add(s.o); err != nil {
			panic(err)
		}
	}
	s.index++
	return s.b.ASDU(), s.index, true
}
func (s *benchSource) Acked(uint64)  {}
func (s *benchSource) Stopped(error) {}

func runBenchServer(objects string) {
	var n int
	if _, err := fmt.Sscan(objects, &n); err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	srv, err := NewServer(ServerConfig{Groups: []Group{{
		Source: func(*Session) Source {
			return &benchSource{objects: n, o: asdu.Object{Value: 1, Time: asdu.NewCP56Time2a(time.Now(), time.UTC)}}
		},
		Closed: func(*Session, error) { os.Exit(0) },
	}}})
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	_ = srv.Serve(l)
}

// BenchmarkTransfer measures a server in another process and a client in this
// one, over loopback, k = 12, w = 8: an operation is one ASDU that was decoded
// and handled.
func BenchmarkTransfer(b *testing.B) {
	for _, objects := range []int{1, 20} {
		b.Run(fmt.Sprintf("objects=%d", objects), func(b *testing.B) {
			exe, err := os.Executable()
			if err != nil {
				b.Fatal(err)
			}
			cmd := exec.Command(exe)
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", benchServer, objects))
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				b.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			address, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				b.Fatal(err)
			}
			asdus, events := 0, 0
			var sum float64
			done := make(chan struct{})
			c, err := Dial(context.Background(), ClientConfig{
				Address: address[:len(address)-1],
				Handle: func(_ *Client, a asdu.ASDU, _ uint64) {
					for i := range a.Len() {
						sum += a.Object(i).Value
					}
					asdus++
					events += a.Len()
					if asdus == b.N {
						close(done)
					}
				},
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			own := cpuTime(b)
			b.ResetTimer()
			if err := c.StartDT(context.Background()); err != nil {
				b.Fatal(err)
			}
			<-done
			b.StopTimer()
			own = cpuTime(b) - own
			c.Close()
			if err := cmd.Wait(); err != nil {
				b.Fatal(err)
			}
			other := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			b.ReportMetric(float64(own)/float64(b.N), "client-cpu-ns/op")
			b.ReportMetric(float64(other)/float64(b.N), "server-cpu-ns/op")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ASDU/s")
			b.ReportMetric(float64(b.N*objects)/b.Elapsed().Seconds(), "events/s")
			if sum != float64(events) {
				b.Fatalf("%d events, sum of values %v", events, sum)
			}
		})
	}
}

// cpuTime is what this process has used of the processors.
func cpuTime(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
