// Package filecopy keeps the copies of devices' files that the other FEPs have here too: whichever FEP a control centre is connected
// to, or a person asks, it has them, and after a takeover the device needn't send again what was fetched.
package filecopy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/fepha/fepha/cluster/clusterpb"
	"github.com/fepha/fepha/filestore"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/filetransfer"
)

const (
	every    = 5 * time.Second
	patience = 10 * time.Second // for an answer
	piece    = 256 << 10        // octets that are read at a time
)

// Peers are the other nodes.
type Peers interface {
	PeerFiles(ctx context.Context, id string) ([]*clusterpb.CopiedFile, error)
	ReadPeerFile(ctx context.Context, id string, f *clusterpb.CopiedFile, offset int64) ([]byte, error)
}

// Shared lets the other nodes read a store. It is a cluster.Files.
type Shared struct{ Store *filestore.Store }

// List is what is there.
func (s Shared) List() (files []*clusterpb.CopiedFile) {
	for _, i := range s.Store.List(0) {
		files = append(files, &clusterpb.CopiedFile{
			Rtu: i.RTU, Address: uint32(i.Address), Name: uint32(i.Name), Length: i.Length, Time: i.Time, Sections: i.Sections,
			Sha256: i.SHA256, FetchedMs: i.FetchedMs, Node: i.Node,
		})
	}
	return files
}

// Read reads some of a copy.
func (s Shared) Read(f *clusterpb.CopiedFile, offset int64) []byte {
	i, err := info(f)
	if err != nil || offset < 0 {
		return nil
	}
	b := make([]byte, piece)
	n, err := s.Store.ReadAt(i.ID, f.Sha256, b, offset)
	if err != nil {
		return nil
	}
	return b[:n]
}

// info is what another node says of a copy.
func info(f *clusterpb.CopiedFile) (i filestore.Info, err error) {
	if f.Address >= 1<<24 || f.Name > math.MaxUint16 || f.Length > filestore.MaxFile || f.Time >= 1<<56 {
		return i, errors.New("no file of a device")
	}
	return filestore.Info{
		ID:     filestore.ID{RTU: f.Rtu, Key: filetransfer.Key{Address: asdu.InformationObjectAddress(f.Address), Name: uint16(f.Name)}},
		Length: f.Length, Time: f.Time, Sections: f.Sections, SHA256: f.Sha256, FetchedMs: f.FetchedMs, Node: f.Node,
	}, nil
}

// Run copies what other nodes have and this one lacks, until ctx ends.
func Run(ctx context.Context, store *filestore.Store, peers Peers, others []string, log *slog.Logger) error {
	timer := time.NewTicker(every)
	defer timer.Stop()
	for {
		for _, id := range others {
			if err := copyFrom(ctx, store, peers, id, log); err != nil && ctx.Err() == nil {
				log.Debug("copies of devices' files", "of", id, "error", err) // a node that's away is told elsewhere
			}
		}
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// copyFrom copies what one node has.
func copyFrom(ctx context.Context, store *filestore.Store, peers Peers, id string, log *slog.Logger) error {
	once, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	files, err := peers.PeerFiles(once, id)
	if err != nil {
		return err
	}
	for _, f := range files {
		i, err := info(f)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		if !store.Wants(i) {
			continue
		}
		if err := copyFile(ctx, store, peers, id, f, i); err != nil {
			return err
		}
		log.Info("a device's file was copied", "file", i.ID, "from", id, "octets", i.Length)
	}
	return nil
}

func copyFile(ctx context.Context, store *filestore.Store, peers Peers, id string, f *clusterpb.CopiedFile, i filestore.Info) error {
	draft, err := store.Create()
	if err != nil {
		return err
	}
	for at := int64(0); at < int64(i.Length); {
		once, cancel := context.WithTimeout(ctx, patience)
		data, err := peers.ReadPeerFile(once, id, f, at)
		cancel()
		if err == nil && (len(data) == 0 || at+int64(len(data)) > int64(i.Length)) {
			err = fmt.Errorf("%s has another %v by now", id, i.ID)
		}
		if err == nil {
			_, err = draft.Write(data)
		}
		if err != nil {
			draft.Abort()
			return err
		}
		at += int64(len(data))
	}
	return draft.Commit(i)
}
