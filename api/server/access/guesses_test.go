package access

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Who guesses is held up: by address at first, and a name from wherever.
func TestGuesses(t *testing.T) {
	var g guesses
	g.init(bcrypt.MinCost)
	clock := time.Unix(1_700_000_000, 0)
	g.now = func() time.Time { return clock }
	try := func(name, address string, known bool) bool {
		t.Helper()
		done, err := g.begin(t.Context(), name, address)
		if err != nil {
			return false
		}
		done(false, known)
		return true
	}
	count := func(name, address string, known bool) (n int) {
		for try(name, address, known) {
			n++
		}
		return n
	}
	if n := count("alice", "10.0.0.1:1", true); n != guessesOfAddress {
		t.Errorf("%d guesses from one address", n)
	}
	if !try("bob", "10.0.0.2:1", true) || !try("alice", "10.0.0.2:1", true) {
		t.Error("another address is held up too")
	}
	if n := count("alice", "[2001:db8::1]:1", true) + count("alice", "[2001:db8::2]:1", true); n != guessesOfAddress {
		t.Errorf("%d guesses from one network", n)
	}
	for i := range 10 {
		count("alice", fmt.Sprintf("10.0.1.%d:1", i), true)
	}
	if try("alice", "10.0.2.1:1", true) {
		t.Error("a name is guessed without end from many addresses")
	}
	if !try("bob", "10.0.2.1:1", true) {
		t.Error("another name is held up too")
	}
	clock = clock.Add(guessOfAddress)
	if n := count("bob", "10.0.0.1:9", true); n != 1 {
		t.Errorf("%d guesses after %v", n, guessOfAddress)
	}
	for i := range 3 * maxGuessAddresses {
		try(fmt.Sprint("nobody", i), fmt.Sprintf("10.1.%d.%d:1", i/256, i%256), false)
	}
	if len(g.addresses) > maxGuessAddresses+1 || len(g.names) > 3 {
		t.Errorf("%d addresses and %d names are remembered", len(g.addresses), len(g.names))
	}
}
