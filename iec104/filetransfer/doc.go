// Package filetransfer has the two sides of a file transfer of IEC 60870-5-101 (clause 7.4.11, 60870-5-5, clause 6.12) as
// deterministic cores: messages in, messages out. A [Fetch] reads a file from a controlled station, a [Serving] lets files be read.
// Who sends, who waits and for how long is their caller's.
//
//	controlling                          controlled
//	F_SC select file            ->
//	                            <-  F_FR file ready
//	F_SC call file              ->
//	                            <-  F_SR section 1 ready
//	F_SC call section 1         ->
//	                            <-  F_SG segments, F_LS last segment, sum of the section
//	F_AF section taken          ->
//	                            <-  F_SR of the next section, or F_LS last section, sum of the file
//	F_AF file taken             ->
//
// Files are only read: nothing here writes or deletes one.
package filetransfer

import (
	"fmt"

	"github.com/fepha/fepha/iec104/asdu"
)

// Key says which file of a station is meant. A name alone says only what a file has (101, clause 7.2.6.33).
type Key struct {
	Address asdu.InformationObjectAddress
	Name    uint16
}

// String is the key as people write it: 30001.2 is name 2 at address 30001.
func (k Key) String() string { return fmt.Sprintf("%d.%d", k.Address, k.Name) }

// ParseKey reads what String writes.
func ParseKey(s string) (k Key, err error) {
	if _, err := fmt.Sscanf(s, "%d.%d", &k.Address, &k.Name); err != nil || k.String() != s {
		return Key{}, fmt.Errorf("file %q: expected its object address and name, such as 30001.2", s)
	}
	return k, nil
}

// KeyOf is the key of an entry of a directory.
func KeyOf(e asdu.DirectoryEntry) Key { return Key{e.Address, e.Name} }

// Message is an ASDU of types 120 to 125 or 127.
type Message struct {
	Type asdu.TypeID
	File asdu.File
}
