package watch

import "golang.org/x/sys/unix"

// freeSpace is how much a process without privileges may still write to a folder's disk, in octets.
func freeSpace(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return st.Bavail * uint64(st.Bsize), nil
}

// clockSynchronised asks the kernel, which the daemon that synchronises the clock tells.
func clockSynchronised() (synchronised, known bool) {
	var t unix.Timex
	_, err := unix.Adjtimex(&t)
	return err == nil && t.Status&unix.STA_UNSYNC == 0, err == nil
}
