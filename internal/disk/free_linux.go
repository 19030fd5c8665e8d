package disk

import "golang.org/x/sys/unix"

// Room is how much a process without privileges may still write to a folder's disk, and how large that is, in octets.
func Room(dir string) (free, size uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return st.Bavail * uint64(st.Bsize), st.Blocks * uint64(st.Bsize), nil
}
