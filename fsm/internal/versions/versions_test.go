package versions

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// put puts a version with so many octets of files in force.
func put(t *testing.T, v *Versions, digest string, size int) {
	t.Helper()
	files := bytes.Repeat([]byte{1}, size)
	v.Begin()
	if res := v.Take(&fsmpb.ConfigPart{Octets: files}); res.Code != fsmpb.Result_OK {
		t.Fatal(res)
	}
	sum := sha256.Sum256(files)
	if !v.Uploaded(sum[:]) {
		t.Fatal("what has come has another sum")
	}
	v.Put(command.Stamp{}, &fsmpb.Configure{Digest: digest, Files: sum[:]})
}

// However many and large they are, what is kept is bounded, and what is in force is kept.
func TestVersionsAreBounded(t *testing.T) {
	v := &Versions{}
	for i := range maxKnown + 3 {
		put(t, v, fmt.Sprint(i), MaxFiles)
	}
	all := v.All()
	if len(all) != maxKnown || all[0].Number != 4 {
		t.Errorf("%d versions from %d on", len(all), all[0].Number)
	}
	for i, k := range all {
		if kept := k.Files != nil; kept != (i >= maxKnown-maxKept/MaxFiles) {
			t.Errorf("version %d of %d: files kept %t", i, len(all), kept)
		}
	}
	if newest, ok := v.Newest(); !ok || newest.Digest != fmt.Sprint(maxKnown+2) || len(newest.Files) != MaxFiles {
		t.Errorf("%t %+v", ok, newest.Digest)
	}
	for range 3 { // smaller ones are kept besides
		put(t, v, "small", 10)
	}
	kept := 0
	for _, k := range v.All() {
		if k.Files != nil {
			kept++
		}
	}
	if kept != 4 {
		t.Errorf("files of %d versions are kept, want those of the three small ones and the newest large one", kept)
	}
}

func TestPartsAreBounded(t *testing.T) {
	v := &Versions{}
	half := make([]byte, MaxFiles/2)
	for i, want := range []fsmpb.Result_Code{fsmpb.Result_OK, fsmpb.Result_OK, fsmpb.Result_INVALID} {
		if res := v.Take(&fsmpb.ConfigPart{Offset: uint64(i * len(half)), Octets: half}); res.Code != want {
			t.Errorf("part %d: %v", i, res)
		}
	}
	for _, op := range []*fsmpb.ConfigPart{{}, {Offset: 1 << 63, Octets: half}, {Offset: ^uint64(0), Octets: []byte{1}}} {
		if res := v.Take(op); res.Code != fsmpb.Result_INVALID {
			t.Errorf("%d: %v", op.Offset, res)
		}
	}
	if v.Uploaded(nil) {
		t.Error("something with no sum has come")
	}
}
