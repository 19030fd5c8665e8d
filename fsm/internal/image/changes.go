package image

import "github.com/fepha/fepha/fsm/internal/points"

const maxChanges = 65_536

// changeLog remembers which points changed last. It follows from the writes alone and is in no snapshot: after a restore
// every reader has to scan once.
type changeLog struct {
	floor uint64       // changes up to this version are not in it
	ring  []points.Key // version v is at (v-1-floor) modulo maxChanges
}

// add notes the change that made this version. Versions come without gaps.
func (c *changeLog) add(version uint64, k points.Key) {
	i := int((version - 1 - c.floor) % maxChanges)
	if i == len(c.ring) {
		c.ring = append(c.ring, k)
		return
	}
	c.ring[i] = k
}

func (c *changeLog) at(version uint64) points.Key {
	return c.ring[(version-1-c.floor)%maxChanges]
}

// oldest is the version from which on all changes are known, of an image that has this version.
func (c *changeLog) oldest(version uint64) uint64 {
	if version-c.floor <= maxChanges {
		return c.floor
	}
	return version - maxChanges
}

// ChangesAfter returns the keys of the points that changed after this version, each once, the newest change last. Not
// ok: that is more than 65,536 changes ago, before a restore, or before points vanished; scan all.
func (im *Image) ChangesAfter(version uint64) (keys []points.Key, ok bool) {
	if version < im.changes.oldest(im.version) || version > im.version {
		return nil, false
	}
	if version == im.version {
		return nil, true
	}
	keys = make([]points.Key, 0, im.version-version)
	for v := version + 1; v <= im.version; v++ {
		k := im.changes.at(v)
		if rec, ok := im.Find(k); ok && rec.version == v { // else it changed again later
			keys = append(keys, k)
		}
	}
	return keys, true
}
