package architecture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/fepha/fepha/"

// mostFiles is how many files a package may have, tests aside, before it can't be held in the head.
const mostFiles = 25

// pkg is what `go list` tells of a package of this module.
type pkg struct {
	ImportPath string
	GoFiles    []string
	Imports    []string
	Deps       []string // all that it is made of, the standard library too
}

// name is the package's folder.
func (p pkg) name() string { return strings.TrimPrefix(p.ImportPath, module) }

// row is one of the table "Where a thing lives".
type row struct {
	folders []string
	imports []string // folders, with what is below them but for rows of their own; "all" stands for every one but cmd
}

func packages(t *testing.T) (all []pkg) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,GoFiles,Imports,Deps", module+"...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

var quoted = regexp.MustCompile("`([^`]+)`")

// table reads the rows that follow a heading of ARCHITECTURE.md: what stands between backticks in the first column, and
// the third column.
func table(t *testing.T, heading string) (rows []row) {
	t.Helper()
	page, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "\n"+heading+"\n")
	if !found {
		t.Fatalf("ARCHITECTURE.md has no heading %q", heading)
	}
	for line := range strings.Lines(rest) {
		if strings.HasPrefix(line, "#") {
			break
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| `") || len(cells) != 3 {
			continue
		}
		var r row
		for _, m := range quoted.FindAllStringSubmatch(cells[0], -1) {
			r.folders = append(r.folders, m[1])
		}
		for word := range strings.SplitSeq(strings.ReplaceAll(cells[2], "`", ""), ",") {
			if word = strings.TrimSpace(word); word != "" && word != "–" {
				r.imports = append(r.imports, word)
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// within tells whether a package is that folder's or of one below it.
func within(name, folder string) bool { return name == folder || strings.HasPrefix(name, folder+"/") }

// rowOf is the row with the longest folder that a package is within.
func rowOf(rows []row, name string) (r row, folder string) {
	for _, candidate := range rows {
		for _, f := range candidate.folders {
			if within(name, f) && len(f) > len(folder) {
				r, folder = candidate, f
			}
		}
	}
	return r, folder
}

// violations says which of a package's imports its row doesn't name.
func violations(rows []row, p pkg) (told []string) {
	r, own := rowOf(rows, p.name())
	if own == "" {
		return []string{fmt.Sprintf("%s is in no row of the table", p.name())}
	}
	for _, path := range p.Imports {
		imported, ours := strings.CutPrefix(path, module)
		_, folder := rowOf(rows, imported)
		switch {
		case !ours, slices.Contains(r.folders, folder): // its own floors
		case slices.Contains(r.imports, "all") && !within(imported, "cmd"):
		case slices.ContainsFunc(r.imports, func(f string) bool { return within(imported, f) && len(f) >= len(folder) }):
		case within(imported, "internal") && !within(own, "iec104") && !within(own, "fsm"):
		default:
			told = append(told, fmt.Sprintf("%s imports %s, and its row names %v", p.name(), imported, r.imports))
		}
	}
	return told
}

// TestImports holds the imports of every package, tests aside, to the table.
func TestImports(t *testing.T) {
	rows := table(t, "## Where a thing lives")
	if len(rows) == 0 {
		t.Fatal("ARCHITECTURE.md has no table of where things live")
	}
	for _, p := range packages(t) {
		for _, v := range violations(rows, p) {
			t.Error(v)
		}
	}
}

// What a row doesn't name is told, by this very table.
func TestImportsAreTold(t *testing.T) {
	rows := table(t, "## Where a thing lives")
	for _, p := range []pkg{
		{ImportPath: module + "fsm", Imports: []string{module + "iec104"}},
		{ImportPath: module + "fsm", Imports: []string{module + "internal/reload"}},
		{ImportPath: module + "iec104", Imports: []string{module + "internal/reload"}},
		{ImportPath: module + "iec104/asdu", Imports: []string{module + "iec104"}},
		{ImportPath: module + "forwarder", Imports: []string{module + "cluster"}},
		{ImportPath: module + "acquisition", Imports: []string{module + "cluster/internal/lease"}},
		{ImportPath: module + "cluster/internal/lease", Imports: []string{module + "api/server"}},
		{ImportPath: module + "api/client", Imports: []string{module + "api/server"}},
		{ImportPath: module + "node", Imports: []string{module + "cmd/internal/rig"}},
		{ImportPath: module + "somewhere/new"},
	} {
		if len(violations(rows, p)) != 1 {
			t.Errorf("%s may import %v", p.name(), p.Imports)
		}
	}
}

// TestReach: hashicorp/raft is behind cluster, go-redis behind rtdb; the protocol needs the standard library alone, the
// state protobuf besides.
func TestReach(t *testing.T) {
	for _, p := range packages(t) {
		name := p.name()
		mayRaft := within(name, "cluster") || within(name, "node") || within(name, "cmd/fepha") || name == "cmd/fepha-bench"
		if !mayRaft && slices.Contains(p.Deps, "github.com/hashicorp/raft") {
			t.Errorf("%s reaches hashicorp/raft", name)
		}
		if name != "rtdb" && slices.Contains(p.Imports, "github.com/redis/go-redis/v9") {
			t.Errorf("%s imports go-redis", name)
		}
		for _, d := range p.Deps {
			if within(name, "iec104") && !within(name, "iec104/internal") && !isStandard(d) && !within(d, module+"iec104") ||
				within(name, "fsm") && !isStandard(d) && !within(d, module+"fsm") && !within(d, "google.golang.org/protobuf") {
				t.Errorf("%s needs %s", name, d)
			}
		}
	}
}

// TestArchivedModules: what nobody keeps any more is not in the binary.
func TestArchivedModules(t *testing.T) {
	for _, m := range []string{"github.com/boltdb/bolt", "github.com/coreos/etcd"} {
		out, err := exec.Command("go", "list", "-m", "-f", "{{with .Replace}}{{.Path}}{{end}}", m).Output()
		if err != nil || len(bytes.TrimSpace(out)) == 0 {
			t.Errorf("%s is not replaced by something that is kept: %v", m, err)
		}
	}
	for _, p := range packages(t) {
		if p.name() == "cmd/fepha" && slices.Contains(p.Deps, "github.com/coreos/pkg/capnslog") {
			t.Error("the binary needs github.com/coreos/pkg")
		}
	}
}

// isStandard tells packages of the standard library, whose first folder has no dot.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// TestSize: no package has more files than can be held in the head, but those that the page names with the reason.
func TestSize(t *testing.T) {
	large := table(t, "## Packages above 25 files")
	for _, p := range packages(t) {
		excused := slices.ContainsFunc(large, func(r row) bool { return slices.Contains(r.folders, p.name()) })
		if n := len(p.GoFiles); n > mostFiles && !excused {
			t.Errorf("%s has %d files without tests; above %d it needs floors, or a row that says why not", p.name(), n, mostFiles)
		}
	}
}
