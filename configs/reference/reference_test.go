package reference

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/configs"
)

// docs/CONFIGURATION.md is what the reader of the configuration says.
func TestPage(t *testing.T) {
	want, err := Page()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/CONFIGURATION.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != want {
		t.Error("docs/CONFIGURATION.md isn't what the code says: go generate ./configs/reference")
	}
}

// What is described exists, the page has a section for each key of the first level, and the specimen leaves no list or mapping out.
func TestNothingIsLeftOut(t *testing.T) {
	keys := map[string]configs.Key{}
	for _, k := range configs.Keys(specimen) {
		keys[k.Path] = k
	}
	for path := range describe {
		found := false
		for known := range keys {
			rest, shared := strings.CutPrefix(path, "*")
			found = found || known == path || shared && strings.HasSuffix(known, rest)
		}
		if !found {
			t.Errorf("%s is described, and no key", path)
		}
	}
	inPage := map[string]bool{}
	for _, s := range sections {
		inPage[s.key] = true
	}
	for path, k := range keys {
		if !strings.Contains(path, ".") && !inPage[path] {
			t.Errorf("%s has no section: see describe.go", path)
		}
		if k.Type == "" {
			t.Errorf("%s: its reader doesn't say what it is", path)
		}
		below := strings.HasPrefix(k.Type, "keys")
		for other := range keys {
			below = below && !strings.HasPrefix(other, path+".")
		}
		if below {
			t.Errorf("specimen.yaml has nothing below %s", path)
		}
	}
	for file, of := range map[string]map[string]string{"rtu.csv": rtuColumns, "uplink.csv": uplinkColumns, "virtual.csv": virtualColumns} {
		if len(of) != len(formats[file].Columns()) {
			t.Errorf("%s has %d columns, and %d are described", file, len(formats[file].Columns()), len(of))
		}
	}
}

// What the page calls live, a running station notices as a change; what needs a restart, it refuses.
func TestWhatChangesWhileRunning(t *testing.T) {
	parts := map[string]any{"rtus": configs.RTU{}, "uplinks": configs.Uplink{}, "journal": configs.Journal{}, "backup": configs.Backup{}, "trend": configs.Trend{}}
	with := func(part string, value any) *configs.Station {
		s := &configs.Station{}
		switch v := value.(type) {
		case configs.RTU:
			v.Number = 1
			s.RTUs = []configs.RTU{v}
		case configs.Uplink:
			v.Name = "occ"
			s.Uplinks = []configs.Uplink{v}
		case configs.Journal:
			s.Journal = v
		case configs.Backup:
			s.Backup = &v
		case configs.Trend:
			s.Trend = v
		}
		return s
	}
	for _, k := range configs.Keys(specimen) {
		top, name, nested := strings.Cut(strings.Replace(k.Path, "[]", "", 1), ".")
		value, live := parts[top]
		if top == "virtual_points" || !nested {
			continue // its points are compared as such
		}
		if live != k.Live {
			t.Errorf("%s: live %v, and of a part that a running station compares: %v", k.Path, k.Live, live)
		}
		switch name { // how a table is read and named is no part of what it says; what identifies it makes another one of it
		case "points", "ioa_format", "sectors[].points", "sectors[].ioa_format", "number", "name":
			continue
		}
		if !live || strings.ContainsAny(name, ".[") {
			continue // what is below a key is compared with it
		}
		changed := reflect.New(reflect.TypeOf(value)).Elem()
		field, ok := fieldOf(changed, name)
		if !ok {
			t.Errorf("%s: %T has no such field", k.Path, value)
			continue
		}
		fill(field)
		if len(configs.Compare(with(top, value), with(top, changed.Interface()))) == 0 {
			t.Errorf("%s changes, and Compare doesn't notice", k.Path)
		}
	}
}

func fieldOf(of reflect.Value, key string) (reflect.Value, bool) {
	for i := range of.NumField() {
		if tag, _, _ := strings.Cut(of.Type().Field(i).Tag.Get("yaml"), ","); tag == key {
			return of.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// fill makes something else of a zero value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMapWithSize(v.Type(), 1))
		v.SetMapIndex(reflect.Zero(v.Type().Key()), reflect.Zero(v.Type().Elem()))
	case reflect.Struct:
		fill(v.Field(0))
	case reflect.String:
		v.SetString("other")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(time.Second))
	default:
		v.SetUint(1)
	}
}

// docs/NETWORKS.md names every key that has an address at which something listens, or to which something connects.
func TestPortsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/NETWORKS.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range configs.Keys(specimen) {
		last := k.Path[strings.LastIndexByte(k.Path, '.')+1:]
		isAddress := k.Type == "address" || k.Type == "address by node" || last == "address" || last == "addresses" || last == "url" || last == "brokers" || last == "others"
		if isAddress && !strings.Contains(k.Path, ".listen.") && !strings.Contains(string(page), "`"+k.Path+"`") {
			t.Errorf("%s is in no row of docs/NETWORKS.md", k.Path)
		}
	}
}
