package inside

import (
	"archive/zip"
	"bytes"
	"io"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/api/server/trace"
)

func unzip(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
	}
	return files
}

func TestServe(t *testing.T) {
	tracer := new(trace.Tracer)
	octets := []byte{0x68, 4, 0x43, 0, 0, 0}
	tracer.Open("rtu/1", trace.Link{Name: "1/1"})(time.Now(), true, octets)
	i := Node{Log: func() []byte { return []byte("a line\n") }, Tracer: tracer, Resources: func() []string { return []string{"rtu/1", "rtu/2"} }}
	w := recorder{httptest.NewRecorder()}
	if err := i.Serve(w, httptest.NewRequest("GET", "/?cpu_s=1", nil)); err != nil {
		t.Fatal(err)
	}
	files := unzip(t, w.Body.Bytes())
	for name, want := range map[string]string{"log.txt": "a line\n", "goroutines.txt": "TestServe", "frames.pcapng": string(octets), "heap.pprof": "", "cpu.pprof": "", "threads.pprof": ""} {
		if data, ok := files[name]; !ok || len(data) == 0 || !strings.Contains(string(data), want) {
			t.Errorf("%s has %d octets, without %q", name, len(data), want)
		}
	}
	if e, ok := files["errors.txt"]; ok {
		t.Errorf("errors: %s", e)
	}
	for _, query := range []string{"cpu_s=61", "cpu_s=x", "what=1"} {
		if err := i.Serve(recorder{httptest.NewRecorder()}, httptest.NewRequest("GET", "/?"+query, nil)); err == nil {
			t.Errorf("?%s is taken", query)
		}
	}
}

// What can't be had is told, and the rest is there; a second measurement at a time can't be.
func TestWhatCantBeHad(t *testing.T) {
	if err := pprof.StartCPUProfile(io.Discard); err != nil {
		t.Fatal(err)
	}
	defer pprof.StopCPUProfile()
	var out bytes.Buffer
	if err := (&Node{}).write(t.Context(), &out, time.Second); err != nil {
		t.Fatal(err)
	}
	files := unzip(t, out.Bytes())
	if e := string(files["errors.txt"]); !strings.Contains(e, "log.txt: ") || !strings.Contains(e, "cpu.pprof: ") || strings.Contains(e, "frames") {
		t.Errorf("errors: %q", e)
	}
	if len(files["goroutines.txt"]) == 0 {
		t.Error("no goroutines")
	}
}

// recorder is one whose deadline can be set.
type recorder struct{ *httptest.ResponseRecorder }

func (recorder) SetReadDeadline(time.Time) error  { return nil }
func (recorder) SetWriteDeadline(time.Time) error { return nil }
