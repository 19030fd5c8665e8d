package disk

import "golang.org/x/sys/unix"

// Free is how much a process without privileges may still write to a folder's disk, in octets.
func Free(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return st.Bavail * uint64(st.Bsize), nil
}
