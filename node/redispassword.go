package node

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fepha/fepha/internal/atomicfile"
)

// redisPasswordFile is where the embedded Redis of a station with keys has its password, if the configuration names none: a
// random one, for root and the service's user on this host.
const redisPasswordFile = "redis.password"

// ownRedisPassword makes that file, once, and returns its path.
func ownRedisPassword(dataDir string) (string, error) {
	path := filepath.Join(dataDir, redisPasswordFile)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return "", err
	}
	return path, atomicfile.Write(path, []byte(rand.Text()+"\n"), 0o600)
}
