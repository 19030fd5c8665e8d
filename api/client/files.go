package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/fepha/fepha/api"
)

// Files lists the copies of an RTU's files that the node has.
func (c *Client) Files(ctx context.Context, rtu uint32) (list api.FileList, err error) {
	return list, c.get(ctx, &list, "/v1/rtus/%d/files", rtu)
}

// File writes the content of a copy to w, and returns how many octets that were. An error after some were written says that they
// aren't what the device has.
func (c *Client) File(ctx context.Context, rtu uint32, name string, w io.Writer) (octets int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, api.SnapshotTimeout)
	defer cancel()
	resp, err := c.do(ctx, http.MethodGet, fmt.Sprintf("/v1/rtus/%d/files/%s", rtu, url.PathEscape(name)), "", nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	sum := sha256.New()
	if octets, err = io.Copy(io.MultiWriter(w, sum), resp.Body); err != nil {
		return octets, fmt.Errorf("file %s of RTU %d from %s: %w", name, rtu, c.Base, err)
	}
	if got, want := hex.EncodeToString(sum.Sum(nil)), resp.Header.Get(api.FileSum); got != want {
		return octets, fmt.Errorf("file %s of RTU %d from %s: sum %s, expected %s", name, rtu, c.Base, got, want)
	}
	return octets, nil
}
