package raftio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"go.etcd.io/bbolt"
)

// boltPages checks the trees of a bolt file page by page, as bbolt does itself when it opens a file to write: but bbolt panics at what
// it finds, on a goroutine where nobody can recover it.
type boltPages struct {
	file  io.ReaderAt
	size  uint64          // of a page, in octets
	count uint64          // of pages
	seen  map[uint64]bool // pages that some tree has
}

// Of bbolt's internal/common/page.go.
const (
	boltHeader  = 16 // octets: id, flags, count of elements, count of further pages
	boltElement = 16 // octets
	boltBranch  = 0x01
	boltLeaf    = 0x02
)

func newBoltPages(file io.ReaderAt, tx *bbolt.Tx) *boltPages {
	size := uint64(tx.DB().Info().PageSize)
	return &boltPages{file: file, size: size, count: uint64(tx.Size()) / size, seen: map[uint64]bool{}}
}

// tree checks the tree below a page, 0: of an inline bucket, which is part of another. Its keys grow, are not less than least, and
// less than below, where these aren't nil. It returns the last key.
func (b *boltPages) tree(id uint64, least, below []byte) (last []byte, err error) {
	if id == 0 {
		return nil, nil
	}
	page, err := b.page(id)
	if err != nil {
		return nil, err
	}
	last = least
	elements := int(binary.NativeEndian.Uint16(page[10:]))
	for i := range elements {
		key, child, err := boltKey(page, i)
		if err != nil {
			return nil, fmt.Errorf("page %d: %w", id, err)
		}
		if order := bytes.Compare(last, key); last != nil && (order > 0 || order == 0 && i > 0) || below != nil && bytes.Compare(key, below) >= 0 {
			return nil, fmt.Errorf("page %d: key %d is out of order", id, i)
		}
		if child == 0 {
			last = key
			continue
		}
		next := below
		if i+1 < elements {
			if next, _, err = boltKey(page, i+1); err != nil {
				return nil, fmt.Errorf("page %d: %w", id, err)
			}
		}
		if last, err = b.tree(child, key, next); err != nil {
			return nil, err
		}
	}
	return last, nil
}

// page reads a page of a tree, with those that go on with it.
func (b *boltPages) page(id uint64) ([]byte, error) {
	if id < 2 || id >= b.count {
		return nil, fmt.Errorf("page %d of %d", id, b.count)
	}
	head := make([]byte, boltHeader)
	if _, err := b.file.ReadAt(head, int64(id*b.size)); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	flags, further := binary.NativeEndian.Uint16(head[8:]), uint64(binary.NativeEndian.Uint32(head[12:]))
	if is := binary.NativeEndian.Uint64(head); is != id || flags != boltBranch && flags != boltLeaf || further >= b.count-id {
		return nil, fmt.Errorf("page %d says that it is page %d of type %#x, with %d more", id, is, flags, further)
	}
	for i := id; i <= id+further; i++ {
		if b.seen[i] {
			return nil, fmt.Errorf("page %d is in two places", i)
		}
		b.seen[i] = true
	}
	page := make([]byte, (1+further)*b.size)
	if _, err := b.file.ReadAt(page, int64(id*b.size)); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return page, nil
}

// boltKey is the key of a page's i-th element and, of a branch, the page below it.
func boltKey(page []byte, i int) (key []byte, child uint64, err error) {
	at := uint64(boltHeader + i*boltElement)
	if at+boltElement > uint64(len(page)) {
		return nil, 0, fmt.Errorf("element %d is beyond its end", i)
	}
	e := page[at:]
	field := func(n int) uint64 { return uint64(binary.NativeEndian.Uint32(e[4*n:])) }
	begin, length, value := at+field(1), field(2), field(3)
	branch := binary.NativeEndian.Uint16(page[8:]) == boltBranch
	if branch {
		begin, length, value = at+field(0), field(1), 0
		if child = binary.NativeEndian.Uint64(e[8:]); child == 0 {
			return nil, 0, fmt.Errorf("element %d has no page", i)
		}
	}
	if begin+length+value > uint64(len(page)) {
		return nil, 0, fmt.Errorf("element %d ends beyond its end", i)
	}
	return page[begin : begin+length], child, nil
}
