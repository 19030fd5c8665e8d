package configs

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Key is a key of a configuration, as its reader knows it: docs/CONFIGURATION.md is made of them (package reference).
type Key struct {
	Path     string // such as rtus[].iec104.k
	Type     string // whole number, duration, text, word, ...
	Default  string // as it would be written; "": there's none
	Accepted string // range or words; "": what the type says
	Needed   bool   // it must be given where what it is a part of is given
	Live     bool   // a running station can change it
	Elements []int  // of the first list on its path, those of which the reader asked for it, ascending
}

const (
	typeMapping = "keys"
	typeList    = "list"
	typeByNode  = "address by node"
)

// Keys reads a station.yaml, and gives every key that was asked for, whether it's there or not, in the order of the questions. For all that
// there are, the file must have each list and mapping once, and exports of each kind. What else is wrong with the file is not told.
func Keys(data []byte) []Key { return keysOf(data, func(l *loader, root *object) { l.station(root) }) }

// FNPStationKeys does the same for the file of an ordinary station of FNP.
func FNPStationKeys(data []byte) []Key {
	return keysOf(data, func(l *loader, root *object) { l.fnpStation(root) })
}

func keysOf(data []byte, ask func(*loader, *object)) []Key {
	l := newLoader("station.yaml", func(string) ([]byte, error) { return data, nil })
	l.doc.keys = &keyList{index: map[string]int{}}
	if root := l.root(); root != nil {
		ask(l, root)
	}
	return l.doc.keys.list
}

// keyList gathers keys while a document is read; nil gathers nothing.
type keyList struct {
	list  []Key
	index map[string]int // by path
}

var elementIndex = regexp.MustCompile(`\[(\d+)\]`)

func (k *keyList) key(key string) *Key {
	path := elementIndex.ReplaceAllString(key, "[]")
	i, known := k.index[path]
	if !known {
		i = len(k.list)
		k.index[path] = i
		k.list = append(k.list, Key{Path: path, Live: !isFixed(path)})
	}
	return &k.list[i]
}

// isFixed tells whether a key is, or is a part of, one that a running station can't change.
func isFixed(path string) bool {
	return slices.ContainsFunc(fixedKeys(), func(f string) bool {
		rest, ok := strings.CutPrefix(path, f)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

func fixedKeys() []string {
	keys := make([]string, len(fixed))
	for i, f := range fixed {
		keys[i] = f.key
	}
	return keys
}

// asked notes that the reader looks for a key.
func (k *keyList) asked(key string) {
	if k == nil {
		return
	}
	known := k.key(key)
	if m := elementIndex.FindStringSubmatch(key); m != nil {
		if n, _ := strconv.Atoi(m[1]); !slices.Contains(known.Elements, n) {
			known.Elements = append(known.Elements, n)
		}
	}
}

func (k *keyList) needed(key string) {
	if k != nil {
		k.key(key).Needed = true
	}
}

// told notes what a key is. Whoever reads a key by way of another reader knows more of it, and tells it later. What differs from
// element to element of a list is the first's; of what is accepted, all.
func (o *object) told(name, kind, def, accepted string) {
	if o.doc.keys == nil {
		return
	}
	key := o.key(name)
	k := o.doc.keys.key(key)
	if m := elementIndex.FindStringSubmatch(key); m != nil && m[1] != strconv.Itoa(k.Elements[0]) {
		if !strings.Contains(k.Accepted, accepted) {
			k.Accepted += ", " + accepted
		}
		return
	}
	k.Type, k.Default, k.Accepted = kind, def, accepted
}
