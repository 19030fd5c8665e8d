package rtdb

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"strconv"
	"sync"
	"time"
)

// front stands before the embedded server: the library panics on an empty command, and makes room for whatever length a client
// announces. So only what is complete and within bounds is passed on, over TLS with a key that nobody else has: the server itself
// can be reached in no other way.
type front struct {
	listener net.Listener
	server   string // host:port of the embedded server
	tls      *tls.Config
	wg       sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

// Bounds of what is passed on.
const (
	maxFrontConns = 64
	maxParts      = 1024
	maxPart       = 64 << 10 // octets
	maxCommand    = 1 << 20  // octets of all parts
)

var errCommand = errors.New("no command, or beyond its bounds")

// newFront makes one before a server that start starts with a TLS configuration, and that tells its address then.
func newFront(l net.Listener, start func(*tls.Config) (address string, err error)) (*front, error) {
	cert, pool, err := ephemeral()
	if err != nil {
		return nil, err
	}
	f := &front{listener: l, conns: map[net.Conn]bool{}, tls: &tls.Config{
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

// track takes a connection into the book; false: there are too many, or it's over.
func (f *front) track(c net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || len(f.conns) >= 2*maxFrontConns { // each has one to the server too
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
	in := bufio.NewReaderSize(c, 4096)
	var command bytes.Buffer
	for {
		command.Reset()
		if err := readCommand(in, &command); err != nil {
			if errors.Is(err, errCommand) {
				_, _ = c.Write([]byte("-ERR " + err.Error() + "\r\n"))
			}
			return
		}
		if _, err := server.Write(command.Bytes()); err != nil {
			return
		}
	}
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
