package channeltab

import (
	"slices"
	"sync"
	"time"
)

// Bounds of what the endpoint keeps of what it has received; the oldest goes first.
const (
	maxKept     = 1000
	maxKeptSize = 8 << 20 // octets of payload
)

// Received is a message that the pair's endpoint has got.
type Received struct {
	Number uint64 // grows; the time in µs since 1970, or 1 more than the last one. A restart makes none of them come again
	At     time.Time
	Message
}

// mailbox keeps the newest messages. They are in this node's memory alone.
type mailbox struct {
	mu   sync.Mutex
	kept []Received
	size int
	last uint64
	more chan struct{} // closed and replaced when one is added
}

func newMailbox() mailbox { return mailbox{more: make(chan struct{})} }

func (b *mailbox) add(now time.Time, m Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = max(b.last+1, uint64(now.UnixMicro()))
	b.kept = append(b.kept, Received{b.last, now, m})
	b.size += len(m.Payload)
	for len(b.kept) > maxKept || b.size > maxKeptSize {
		b.size -= len(b.kept[0].Payload)
		b.kept[0] = Received{}
		b.kept = b.kept[1:]
	}
	close(b.more)
	b.more = make(chan struct{})
}

func (b *mailbox) after(number uint64, limit int) ([]Received, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, _ := slices.BinarySearchFunc(b.kept, number+1, func(r Received, n uint64) int {
		switch {
		case r.Number < n:
			return -1
		case r.Number > n:
			return 1
		}
		return 0
	})
	return slices.Clone(b.kept[i:min(len(b.kept), i+limit)]), b.more
}
