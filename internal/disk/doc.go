// Package disk tells how much room there is.
package disk

// Free is how much a process without privileges may still write to a folder's disk, in octets.
func Free(dir string) (uint64, error) {
	free, _, err := Room(dir)
	return free, err
}
