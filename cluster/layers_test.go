package cluster

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestUsesRunOneWay holds the files to the map in doc.go: each uses only what's declared in itself or in files below it.
// With -v it counts the uses: pairs of a file and another that declares something that the first one names.
func TestUsesRunOneWay(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, line := range regexp.MustCompile(`(?m)^//\t(\w+\.go) `).FindAllStringSubmatch(string(doc), -1) {
		order = append(order, line[1])
	}

	fset := token.NewFileSet()
	var files []*ast.File
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if name == "doc.go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		if !slices.Contains(order, name) {
			t.Errorf("%s isn't in the map in doc.go", name)
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if len(files) != len(order) {
		t.Errorf("the map in doc.go has %d files, the folder %d", len(order), len(files))
	}

	// What other packages declare is of no interest here, so they're taken for empty, and what's wrong for that is ignored.
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: noImports{}, Error: func(error) {}}
	pkg, _ := conf.Check("cluster", fset, files, info)
	uses := map[[2]string]string{} // from one file to another: an example
	for id, obj := range info.Uses {
		if obj.Pkg() != pkg {
			continue
		}
		from, to := fset.Position(id.Pos()).Filename, fset.Position(obj.Pos()).Filename
		if from != to {
			uses[[2]string{from, to}] = obj.Name()
		}
	}
	against := 0
	for files, name := range uses {
		if slices.Index(order, files[0]) > slices.Index(order, files[1]) {
			against++
			t.Errorf("%s uses %s of %s, which is above it", files[0], name, files[1])
		}
	}
	if len(uses) < len(files) {
		t.Errorf("%d uses among %d files: they can't be all", len(uses), len(files))
	}
	t.Logf("%d uses among %d files, %d against the map", len(uses), len(files), against)
}

// noImports takes every package for an empty one.
type noImports struct{}

func (noImports) Import(path string) (*types.Package, error) {
	p := types.NewPackage(path, filepath.Base(path))
	p.MarkComplete()
	return p, nil
}
