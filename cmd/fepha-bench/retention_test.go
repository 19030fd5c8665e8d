package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"
)

// A power cut of the whole station costs none of the events that it retains.
func TestRetentionOutlivesTheNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("real processes")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	f := retentionFlags{events: 200_000, json: true}
	f.mode, f.lease, f.dir = "exclusive", 2*time.Second, filepath.Join(t.TempDir(), "station")
	var out bytes.Buffer
	if err := runRetention(ctx, f, &out); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", out.Bytes())
	var r retentionReport
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Retained < 189_000 || r.Arrived != r.Retained {
		t.Errorf("%v, %s", err, out.Bytes())
	}
}
