package rtdb

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fepha/fepha/internal/slots"
)

// front stands before the embedded server: the library panics on an empty command, and makes room for whatever length a client
// announces. So only what is complete and within bounds is passed on, over TLS with a key that nobody else has: the server itself
// can be reached in no other way.
//
// Nothing is passed on for who hasn't shown the password, where there is one. All clients may have one address, so those who haven't
// have few slots, of which the newest is never refused: they keep nobody out who has.
type front struct {
	listener net.Listener
	password string // "": there is none
	server   string // host:port of the embedded server
	tls      *tls.Config
	slots    *slots.Slots
	wg       sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

// Bounds of what is passed on.
const (
	maxStrangers  = 16 // connections that haven't shown the password yet
	maxFrontConns = 64 // that have
	maxParts      = 1024
	maxPart       = 64 << 10 // octets
	maxCommand    = 1 << 20  // octets of all parts
	maxGuesses    = 8        // commands without the password on one connection
)

var errCommand = errors.New("no command, or beyond its bounds")

// newFront makes one before a server that start starts with a TLS configuration, and that tells its address then.
func newFront(l net.Listener, password string, start func(*tls.Config) (address string, err error)) (*front, error) {
	cert, pool, err := ephemeral()
	if err != nil {
		return nil, err
	}
	limits := slots.Limits{Strangers: maxStrangers, OfAnAddress: maxStrangers, Known: maxFrontConns, KnownOfAddress: maxFrontConns}
	f := &front{listener: l, password: password, conns: map[net.Conn]bool{}, slots: slots.New(limits, func(netip.Addr) bool { return false }), tls: &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, RootCAs: pool, ServerName: "redis",
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
	}}
	if f.server, err = start(f.tls); err != nil {
		return nil, err
	}
	f.wg.Go(f.accept)
	return f, nil
}

// ephemeral makes a key and a certificate that last as long as the process.
func ephemeral() (tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"}, DNSNames: []string{"redis"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool, nil
}

func (f *front) accept() {
	for {
		c, err := f.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // such as too many open files
			continue
		}
		if !f.track(c) {
			_ = c.Close()
			continue
		}
		f.wg.Go(func() { f.pass(c) })
	}
}

// track takes a connection into the book; false: it's over.
func (f *front) track(c net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.conns[c] = true
	return true
}

func (f *front) end(c net.Conn) {
	_ = c.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
}

// pass passes on commands one way and answers the other, until one end is gone or a command is none.
func (f *front) pass(c net.Conn) {
	defer f.end(c)
	slot := f.slots.Enter(c, func() { _ = c.Close() })
	defer slot.Leave()
	in := bufio.NewReaderSize(c, 4096)
	var command bytes.Buffer
	if !f.admit(c, in, &command) {
		return
	}
	if !slot.Know() {
		_, _ = c.Write([]byte("-ERR max number of clients reached\r\n"))
		return
	}
	raw, err := net.Dial("tcp", f.server)
	if err != nil {
		return
	}
	server := tls.Client(raw, f.tls)
	if !f.track(server) {
		_ = server.Close()
		return
	}
	defer f.end(server)
	f.wg.Go(func() {
		_, _ = io.Copy(c, server)
		_ = c.Close()
	})
	for {
		if _, err := server.Write(command.Bytes()); err != nil {
			return
		}
		if !next(c, in, &command) {
			return
		}
	}
}

// admit reads commands until one shows the password, which is the command to begin with. false: the connection is over.
func (f *front) admit(c net.Conn, in *bufio.Reader, command *bytes.Buffer) bool {
	for range maxGuesses {
		if !next(c, in, command) {
			return false
		}
		name, shows := f.shows(command.Bytes())
		if shows {
			return true
		}
		answer := "-NOAUTH Authentication required.\r\n"
		if name == "AUTH" {
			answer = "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
		}
		if _, err := c.Write([]byte(answer)); err != nil {
			return false
		}
	}
	return false
}

// shows tells a command's name, and whether it shows the password, which the server looks at again: AUTH, or HELLO with AUTH.
func (f *front) shows(command []byte) (name string, shows bool) {
	parts := bytes.Split(command, []byte("\r\n")) // *n, $n, name, $n, part, …
	name = strings.ToUpper(string(parts[2]))
	if f.password == "" {
		return name, true
	}
	if name != "AUTH" && name != "HELLO" {
		return name, false
	}
	for _, p := range parts[3:] {
		if subtle.ConstantTimeCompare(p, []byte(f.password)) == 1 {
			shows = true
		}
	}
	return name, shows
}

// next reads a command. false: there is none, and whoever sent what is none has been told.
func next(c net.Conn, in *bufio.Reader, command *bytes.Buffer) bool {
	command.Reset()
	err := readCommand(in, command)
	if errors.Is(err, errCommand) {
		_, _ = c.Write([]byte("-ERR " + err.Error() + "\r\n"))
	}
	return err == nil
}

// readCommand reads one: an array of at least one bulk string, all of them together within bounds.
func readCommand(in *bufio.Reader, out *bytes.Buffer) error {
	parts, err := readLength(in, out, '*', maxParts)
	if err != nil {
		return err
	}
	if parts == 0 {
		return errCommand
	}
	for range parts {
		size, err := readLength(in, out, '$', maxPart)
		if err != nil {
			return err
		}
		if out.Len()+size > maxCommand {
			return errCommand
		}
		if _, err := io.CopyN(out, in, int64(size)+2); err != nil {
			return err
		}
		if !bytes.HasSuffix(out.Bytes(), []byte("\r\n")) {
			return errCommand
		}
	}
	return nil
}

// readLength reads a line such as *3 or $12.
func readLength(in *bufio.Reader, out *bytes.Buffer, kind byte, most int) (int, error) {
	line, err := in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return 0, errCommand
	}
	if err != nil {
		return 0, err
	}
	if len(line) < 4 || line[0] != kind || line[len(line)-2] != '\r' {
		return 0, errCommand
	}
	n, err := strconv.Atoi(string(line[1 : len(line)-2]))
	if err != nil || n < 0 || n > most {
		return 0, errCommand
	}
	out.Write(line)
	return n, nil
}

// close ends all connections, and waits for it.
func (f *front) close() {
	_ = f.listener.Close()
	f.mu.Lock()
	f.closed = true
	for c := range f.conns {
		_ = c.Close()
	}
	f.mu.Unlock()
	f.wg.Wait()
}
