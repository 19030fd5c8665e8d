package rtdb

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/internal/redismode"
	"github.com/fepha/fepha/internal/testneeds"
)

// Others may read the view of the embedded server and put requests into ctl:req, a bounded number of bounded size, and nothing else.
func TestGate(t *testing.T) {
	c := furnished(t)
	r := run(t, Config{Replica: c.Node("fep1"), Mode: redismode.Embedded}) // nobody answers requests
	r.complete(t)
	ctx, client := context.Background(), lookAt(t, r.Addr(), "")
	c.shows(t, client)
	for _, command := range []string{
		"SET a b", "HSET useflag:rtu:1 host 2", "DEL useflag:rtu:1", "FLUSHALL", "EVAL return\x201 0", "EVALSHA abc 0", "SCRIPT LOAD return\x201",
		"XADD ctl:res * id a", "XDEL ctl:req 1-1", "XTRIM ctl:req MAXLEN 0", "XGROUP CREATE ctl:req x 0", "XREADGROUP GROUP fepha x STREAMS ctl:req >",
		"APPEND a b", "SETRANGE a 500000000 b", "MULTI", "SUBSCRIBE x", "RENAME a b", "CONFIG GET *", "SHUTDOWN",
	} {
		var args []any
		for _, word := range strings.Split(command, " ") {
			args = append(args, word)
		}
		if err := client.Do(ctx, args...).Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("%q: %v", command, err)
		}
	}
	for _, how := range []string{"18446744073709551615-18446744073709551615", "MAXLEN 0 *", "NOMKSTREAM *"} {
		args := []any{"XADD", requestStream}
		for _, word := range append(strings.Fields(how), "id", "a") {
			args = append(args, word)
		}
		if err := client.Do(ctx, args...).Err(); err == nil || !strings.Contains(err.Error(), "expected XADD") {
			t.Errorf("XADD with %s: %v", how, err)
		}
	}
	if err := client.Do(ctx, "XADD", requestStream, "*", "id", strings.Repeat("x", maxRequestSize)).Err(); err == nil {
		t.Error("a request of any size")
	}
	if err := client.Do(ctx, "GET", strings.Repeat("x", maxCommandSize+1)).Err(); err == nil {
		t.Error("a command of any size")
	}
	for i := range maxWaiting {
		if err := client.Do(ctx, "XADD", requestStream, "*", "id", fmt.Sprint(i)).Err(); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	if err := client.Do(ctx, "XADD", requestStream, "*", "id", "x").Err(); err == nil || !strings.Contains(err.Error(), "too many requests") {
		t.Errorf("requests without end: %v", err)
	}
}

// Whoever doesn't know the password keeps nobody out who does, however many connections he takes and whatever he says on them, and none
// of it reaches the server.
func TestStrangersKeepNobodyOut(t *testing.T) {
	c := furnished(t)
	r := run(t, Config{Replica: c.Node("fep1"), Mode: redismode.Embedded, PasswordFile: passwordFile(t, "secret")})
	r.complete(t)
	ctx, reader := context.Background(), lookAt(t, r.Addr(), "secret")
	c.shows(t, reader)
	var answers []string
	for i := range 5 * maxFrontConns {
		conn, err := net.Dial("tcp", r.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		said := []string{"", "*2\r\n$4\r\nAUTH\r\n$5\r\nwrong\r\n", "*2\r\n$5\r\nHELLO\r\n$1\r\n2\r\n", "*1\r\n$4\r\nQUIT\r\n"}[i%4]
		if said == "" {
			continue
		}
		if _, err := conn.Write([]byte(said)); err != nil {
			t.Fatal(err)
		}
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			t.Fatalf("the newest connection is not answered: %v", err)
		}
		if i < 4 {
			answers = append(answers, strings.Fields(answer)[0])
		}
	}
	if got := strings.Join(answers, " "); got != "-WRONGPASS -NOAUTH -NOAUTH" {
		t.Errorf("strangers are answered %s", got)
	}
	if err := reader.Ping(ctx).Err(); err != nil {
		t.Errorf("who was in is out: %v", err)
	}
	c.shows(t, lookAt(t, r.Addr(), "secret"))
	conn, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Write(bytes.Repeat([]byte("*1\r\n$4\r\nPING\r\n"), maxGuesses)); err != nil {
		t.Fatal(err)
	}
	if all, _ := io.ReadAll(conn); bytes.Count(all, []byte("-NOAUTH")) != maxGuesses {
		t.Errorf("guesses without end are answered %q", all)
	}
}

// What a client sends before it is known may be anything: it costs its own connection, and no room for what it only announces.
func TestFront(t *testing.T) {
	c := furnished(t)
	r := run(t, Config{Replica: c.Node("fep1"), Mode: redismode.Embedded})
	r.complete(t)
	for _, bad := range []string{"*0\r\n", "*-1\r\n", "\r\n", "PING\r\n", "*1\r\n$2000000000\r\n", "*2000000000\r\n", "*1\r\n$-1\r\n", "*1\r\n+PING\r\n", "*1\r\n$1\r\nxxx", "*x\r\n", strings.Repeat("*", 5000)} {
		conn, err := net.Dial("tcp", r.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte(bad))
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if answer, _ := io.ReadAll(conn); !strings.HasPrefix(string(answer), "-ERR no command") {
			t.Errorf("%.20q is answered %q", bad, answer)
		}
		_ = conn.Close()
	}
	if err := lookAt(t, r.Addr(), "").Ping(context.Background()).Err(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	// The server behind it answers nobody else.
	conn, err := net.Dial("tcp", r.server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = conn.Write([]byte("*1\r\n$4\r\nPING\r\n"))
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if answer, _ := io.ReadAll(conn); strings.Contains(string(answer), "PONG") {
		t.Errorf("answered %q without the key", answer)
	}
}

// On a Unix socket the server needs no password: its rights say who may. The view is there, requests are answered, and nobody else
// comes in.
func TestUnixSocket(t *testing.T) {
	c := furnished(t)
	path := filepath.Join(t.TempDir(), "redis.sock")
	r := run(t, Config{Replica: c.Node("fep1"), Mode: redismode.Embedded, Address: "unix:" + path})
	r.complete(t)
	if info, err := os.Stat(path); err != nil || info.Mode().Type() != os.ModeSocket || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	client := lookAt(t, r.Addr(), "")
	c.shows(t, client)
	if err := client.Do(t.Context(), "SET", "a", "b").Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("SET: %v", err)
	}
	out, err := exec.Command(testneeds.Program(t, "redis-cli"), "-s", path, "XADD", requestStream, "*", "id", "1").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "-") || strings.Contains(string(out), "ERR") {
		t.Errorf("redis-cli: %v, %s", err, out)
	}
}

// A server of the host's own on a Unix socket is written to as one with a port is.
func TestServerOnAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "redis.sock")
	startRedis(t, "--unixsocket", path, "--unixsocketperm", "600")
	c := furnished(t)
	r := run(t, Config{Replica: c.Node("fep1"), Mode: redismode.PerNode, Address: "unix:" + path})
	r.complete(t)
	c.shows(t, lookAt(t, r.Addr(), ""))
}

func FuzzCommand(f *testing.F) {
	f.Add([]byte("*1\r\n$4\r\nPING\r\n"))
	f.Add([]byte("*0\r\n"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		var out bytes.Buffer
		if err := readCommand(bufio.NewReaderSize(bytes.NewReader(octets), 4096), &out); err == nil && !bytes.HasPrefix(octets, out.Bytes()) {
			t.Errorf("%q came out as %q", octets, out.Bytes())
		}
	})
}
