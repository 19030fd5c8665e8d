package configs

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/fepha/fepha/internal/nearest"
	"github.com/fepha/fepha/internal/plain"
	"github.com/fepha/fepha/internal/yamldoc"
)

// maxYAMLSize bounds station.yaml: 500 RTUs take 250 kB.
const maxYAMLSize = 4 << 20

// document is a YAML file that is read key by key. What is wrong goes to errs, and reading goes on with a default, so
// that one reading finds everything.
type document struct {
	file           string
	errs, warnings *Errors
	at             map[string]position // of every key that was read
	keys           *keyList            // nil: nobody wants to know
}

// position counts lines and characters from 1.
type position struct{ line, column int }

// fail reports what's wrong with the value of a key; where the key isn't in the file, at the nearest one around it.
func (d *document) fail(key, problem, expected string) {
	d.errs.add(d.about(key, problem, expected))
}

// warn tells of a value that is allowed, but likely isn't what is meant.
func (d *document) warn(key, problem, expected string) {
	d.warnings.add(d.about(key, problem, expected))
}

func (d *document) about(key, problem, expected string) Error {
	pos, found := d.at[key]
	for around := key; !found && around != ""; {
		around = around[:max(0, strings.LastIndexAny(around, ".["))]
		pos, found = d.at[around]
	}
	return Error{File: d.file, Line: pos.line, Column: pos.column, Key: key, Problem: problem, Expected: expected}
}

// parse returns the mapping that is the file's content; an empty one where it has none.
func (d *document) parse(data []byte) *object {
	d.at = map[string]position{"": {1, 1}}
	root := &object{doc: d}
	data = trimBOM(data)
	if len(data) > maxYAMLSize {
		d.fail("", fmt.Sprintf("has %d octets", len(data)), fmt.Sprintf("at most %d", maxYAMLSize))
		return root
	}
	if !utf8.Valid(data) {
		d.fail("", "is not UTF-8", "a text file in UTF-8")
		return root
	}
	if d.fullWidthColons(data) {
		return root
	}
	file, err := yamldoc.Parse(data, parser.AllowDuplicateMapKey())
	if err != nil {
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) && syntax.Token != nil {
			d.at[""] = position{syntax.Token.Position.Line, syntax.Token.Position.Column}
			err = errors.New(syntax.Message)
		}
		d.fail("", "is not YAML: "+err.Error(), "")
		return root
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	switch len(bodies) {
	case 0:
		return root
	case 1:
		return d.object("", bodies[0])
	}
	d.at[""] = positionOf(bodies[1])
	d.fail("", "a second document begins here", "one")
	return root
}

// fullWidthColon is a key with the colon of a Chinese input method, which YAML takes for a part of the text.
var fullWidthColon = regexp.MustCompile(`^[ -]*["']?[A-Za-z_]+["']?[ ]*(：)`)

// fullWidthColons reports keys that aren't ones, and tells whether there are any: what comes of them elsewhere is a riddle.
func (d *document) fullWidthColons(data []byte) (found bool) {
	for i, line := range strings.Split(string(data), "\n") {
		if at := fullWidthColon.FindStringSubmatchIndex(line); at != nil {
			d.at[""] = position{i + 1, utf8.RuneCountInString(line[:at[2]]) + 1}
			d.fail("", "has a full-width colon ：", "a plain one and a space after the key")
			found = true
		}
	}
	return found
}

// positionOf gives where a person sees a node begin: a block mapping begins with its first key, not with its colon.
func positionOf(n ast.Node) position {
	switch m := n.(type) {
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			n = m.Values[0].Key
		}
	case *ast.MappingValueNode:
		n = m.Key
	}
	if token := n.GetToken(); token != nil && token.Position != nil {
		return position{token.Position.Line, token.Position.Column}
	}
	return position{1, 1}
}

// object is a mapping that is being read. Keys that nobody asked for by the time of end are unknown.
type object struct {
	doc    *document
	path   string
	fields map[string]ast.Node
	order  []string // keys as in the file
	asked  []string
}

func (d *document) object(path string, n ast.Node) *object {
	d.at[path] = positionOf(n)
	o := &object{doc: d, path: path, fields: map[string]ast.Node{}}
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		d.fail(path, describe(n)+" is not a mapping", "keys with values")
		return o
	}
	for _, v := range values {
		key := v.Key.GetToken().Value
		d.at[o.key(key)] = positionOf(v.Key)
		if _, twice := o.fields[key]; twice {
			d.fail(o.key(key), "is given twice", "each key once")
			continue
		}
		o.fields[key] = v.Value
		o.order = append(o.order, key)
	}
	return o
}

func (o *object) key(name string) string {
	if o.path == "" {
		return name
	}
	return o.path + "." + name
}

// value gives a key's value; nil where it isn't given, or is empty.
func (o *object) value(name string) ast.Node {
	o.asked = append(o.asked, name)
	o.doc.keys.asked(o.key(name))
	n := o.fields[name]
	if n == nil || n.Type() == ast.NullType {
		return nil
	}
	o.doc.at[o.key(name)] = positionOf(n)
	switch n.Type() {
	case ast.AnchorType, ast.AliasType, ast.TagType:
		o.fail(name, "anchors, aliases and tags are not supported", "the value itself")
		return nil
	}
	return n
}

func (o *object) fail(name, problem, expected string) { o.doc.fail(o.key(name), problem, expected) }

// required reports those of these keys that aren't given, or are empty.
func (o *object) required(names ...string) {
	for _, name := range names {
		o.doc.keys.needed(o.key(name))
		n := o.fields[name]
		if n != nil && n.Type() != ast.NullType {
			if text, plain := scalar(n); !plain || text != "" {
				continue
			}
		}
		o.fail(name, "is missing", "a value")
	}
}

// end reports the keys that nobody asked for.
func (o *object) end() {
	for _, key := range o.order {
		if !slices.Contains(o.asked, key) {
			o.fail(key, "unknown key"+nearest.Hint(key, o.asked), "one of "+strings.Join(o.asked, ", "))
		}
	}
}

func (o *object) object(name string) (*object, bool) {
	n := o.value(name)
	o.told(name, typeMapping, "", "")
	if n == nil {
		return &object{doc: o.doc, path: o.key(name)}, false
	}
	return o.doc.object(o.key(name), n), true
}

// element is an item of a list.
type element struct {
	path string
	node ast.Node
}

func (o *object) list(name string) []element {
	n := o.value(name)
	o.told(name, typeList, "", "")
	if n == nil {
		return nil
	}
	sequence, ok := n.(*ast.SequenceNode)
	if !ok {
		o.fail(name, describe(n)+" is not a list", "a list")
		return nil
	}
	list := make([]element, len(sequence.Values))
	for i, v := range sequence.Values {
		list[i] = element{fmt.Sprintf("%s[%d]", o.key(name), i), v}
		o.doc.at[list[i].path] = positionOf(v)
	}
	return list
}

// filled is a list that must have something in it, unless it isn't given at all.
func (o *object) filled(name string) []element {
	before := o.doc.errs.Total
	list := o.list(name)
	if len(list) == 0 && o.fields[name] != nil && o.doc.errs.Total == before {
		o.fail(name, "is empty", "at least one")
	}
	return list
}

// strings reads a list of texts. A wrong one is "", so that positions go by index.
func (o *object) strings(list []element) []string {
	var texts []string
	for _, e := range list {
		text, _ := o.doc.text(e.path, e.node)
		texts = append(texts, text)
	}
	return texts
}

// scalar gives the text of a plain value as it's written.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.LiteralNode:
		return strings.TrimSpace(n.Value.Value), true
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// describe names a value in a message.
func describe(n ast.Node) string {
	if text, ok := scalar(n); ok {
		return quote(text)
	}
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	}
	return "this"
}

// quote quotes and shortens what a file says, for messages.
func quote(text string) string {
	const most = 60
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most]) + "…"
	}
	return strconv.Quote(text)
}

// textExpected is what names are made of.
const textExpected = "letters, digits, signs and spaces"

func (o *object) text(name, def string) string {
	n := o.value(name)
	o.told(name, "text", def, "")
	if n == nil {
		return def
	}
	text, ok := o.doc.text(o.key(name), n)
	if !ok {
		return def
	}
	return text
}

// text gives a plain value's text, and reports one that is none or that nobody could read.
func (d *document) text(key string, n ast.Node) (text string, ok bool) {
	text, ok = scalar(n)
	switch {
	case !ok:
		d.fail(key, describe(n)+" is not a text", "a text")
	case plain.Deceptive(text):
		d.fail(key, quote(text)+" has a control character, or one that turns text around", textExpected)
		ok = false
	}
	return text, ok
}

func (o *object) bool(name string, def bool) bool {
	n := o.value(name)
	o.told(name, "true or false", strconv.FormatBool(def), "")
	if n == nil {
		return def
	}
	b, ok := n.(*ast.BoolNode)
	if !ok {
		o.fail(name, describe(n)+" is neither true nor false", "true or false")
		return def
	}
	return b.Value
}

func (o *object) int(name string, def, least, most int) int {
	n := o.value(name)
	bounds := fmt.Sprintf("%d to %d", least, most)
	if def >= least {
		o.told(name, "whole number", strconv.Itoa(def), bounds)
	} else {
		o.told(name, "whole number", "", bounds)
	}
	if n == nil {
		return def
	}
	text, _ := scalar(n)
	// YAML has octal, hexadecimal and grouped numbers too; in a plant they're more likely a slip.
	v, err := strconv.Atoi(text)
	if n.Type() != ast.IntegerType || err != nil || strconv.Itoa(v) != text {
		o.fail(name, describe(n)+" is not a whole number", bounds)
		return def
	}
	if v < least || v > most {
		o.fail(name, fmt.Sprintf("%d is out of range", v), bounds)
		return def
	}
	return v
}

func (o *object) duration(name string, def, least, most time.Duration) time.Duration {
	text, bounds := o.text(name, ""), durationText(least)+" to "+durationText(most)
	o.told(name, "duration", durationText(def), bounds)
	if text == "" {
		return def
	}
	d, err := parseDuration(text)
	if err != nil {
		o.fail(name, quote(text)+" is not a duration", "a number with its unit, such as 500ms, 5s, 15m or 30d")
		return def
	}
	if d < least || d > most {
		o.fail(name, text+" is out of range", bounds)
		return def
	}
	return d
}

// parseDuration is time.ParseDuration, and knows whole days.
func parseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * day, err
	}
	return time.ParseDuration(text)
}

// period is a duration of 1 s to 24 h, or 0 for "off".
func (o *object) period(name string, def time.Duration) time.Duration {
	return o.periodOf(name, def, time.Second, 24*time.Hour)
}

func (o *object) periodOf(name string, def, least, most time.Duration) time.Duration {
	usual := "off"
	if def != 0 {
		usual = durationText(def)
	}
	defer o.told(name, "duration", usual, "off, or "+durationText(least)+" to "+durationText(most))
	if n := o.fields[name]; n != nil {
		if text, _ := scalar(n); text == "off" || text == "0s" {
			o.value(name)
			return 0
		}
	}
	return o.duration(name, def, least, most)
}

// durationText writes 15m, where Duration.String writes 15m0s.
func durationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// enum reads one of a few words.
func enum[T ~string](o *object, name string, def T, words ...T) T {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	text := o.text(name, string(def))
	o.told(name, "word", string(def), strings.Join(list, ", "))
	if !slices.Contains(words, T(text)) {
		o.fail(name, quote(text)+" is unknown"+nearest.Hint(text, list), "one of "+strings.Join(list, ", "))
		return def
	}
	return T(text)
}

// address reads an IP address with its port; zero where it isn't given or wrong.
func (o *object) address(name string) netip.AddrPort {
	text := o.text(name, "")
	o.told(name, "address", "", "an IP address and a port")
	if text == "" {
		return netip.AddrPort{}
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil || a.Port() == 0 {
		o.fail(name, quote(text)+" is not an address with a port", "one such as 10.91.2.66:7300 or [fd00::66]:7300")
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// addresses reads addresses by node id.
func (o *object) addresses(name string) map[string]netip.AddrPort {
	list, ok := o.object(name)
	o.told(name, typeByNode, "", "node: an IP address and a port")
	if !ok {
		return nil
	}
	addresses := map[string]netip.AddrPort{}
	list.required(list.order...)
	for _, key := range list.order {
		addresses[key] = list.address(key)
	}
	return addresses
}
