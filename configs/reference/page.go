package reference

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/fepha/fepha/configs"
)

//go:embed specimen.yaml
var specimen []byte

// fnpStation has what an ordinary station's file may have.
const fnpStation = "id: 1\n"

var formats = func() map[string]configs.Format {
	rtu, uplink, virtual := configs.Formats()
	return map[string]configs.Format{"rtu.csv": rtu, "uplink.csv": uplink, "virtual.csv": virtual}
}()

const head = `# Configuration: every key and column

For whom: who writes a station's ` + "`station.yaml`" + ` and its tables. The page is made from the program that reads them:
` + "`go generate ./configs/reference`" + `. How the parts are used is told in the pages that each section names.

- ` + "`fepha config check station.yaml`" + ` finds every error at once, with file, line, column and what was expected;
  ` + "`fepha config show station.yaml`" + ` writes all defaults out.
- A **duration** is a number with its unit: ` + "`500ms`, `5s`, `15m`, `1h`, `30d`" + `. A **file** is named from the folder of station.yaml, or by
  an absolute path.
- **needed**: it must be given where what it is a part of is given.
- **live**: ` + "`fepha config apply`" + ` changes it while the station runs. The link of an RTU is closed and started anew if more of it changes
  than its name, the clients of an uplink are closed if more of it changes than its points; nobody else notices. **restart**: the nodes
  are started anew with it, one after the other ([OPERATIONS.md](OPERATIONS.md#change-what-needs-a-restart)).
- Unknown keys and columns are refused.
`

// Page is docs/CONFIGURATION.md.
func Page() (string, error) {
	var b strings.Builder
	b.WriteString(head)
	keys := configs.Keys(specimen)
	b.WriteString("\n## station.yaml\n")
	for _, s := range sections {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", s.key, s.text)
		var rows []configs.Key
		for _, k := range ordered(keys) {
			if top, _, _ := strings.Cut(k.Path, "."); strings.TrimSuffix(top, "[]") == s.key && (top != k.Path || s.key == "virtual_points") {
				rows = append(rows, k)
			}
		}
		if err := writeKeys(&b, s.key, describe, rows, true); err != nil {
			return "", err
		}
	}
	b.WriteString("\n## Tables\n\nCSV with a heading, in UTF-8, UTF-16 or GB18030; comma, semicolon or tab; columns in any order, headings in English or Chinese. " +
		"`fepha config import` fills them from workbooks and databases. All of it is live. " +
		"Needed: the table must have the column; whether a row must have a value is told with it.\n")
	for _, t := range []struct {
		title, file string
		of          map[string]string
	}{
		{"Table of an RTU", "rtu.csv", rtuColumns}, {"Table of an uplink", "uplink.csv", uplinkColumns}, {"Table of virtual points", "virtual.csv", virtualColumns},
	} {
		fmt.Fprintf(&b, "\n### %s\n\n", t.title)
		if err := writeColumns(&b, t.file, t.of); err != nil {
			return "", err
		}
	}
	b.WriteString("\n## The file of an ordinary FNP station\n\nWhat `fepha fnp station --config FILE` reads: [FNP.md](FNP.md).\n\n")
	if err := writeKeys(&b, "", describeFNPStation, configs.FNPStationKeys([]byte(fnpStation)), false); err != nil {
		return "", err
	}
	return b.String(), nil
}

// ordered has each key followed by those below it, in the order of the questions otherwise.
func ordered(keys []configs.Key) (list []configs.Key) {
	var below func(path string)
	below = func(path string) {
		for _, k := range keys {
			parent := k.Path[:max(0, strings.LastIndexByte(k.Path, '.'))]
			if strings.TrimSuffix(parent, "[]") == path {
				list = append(list, k)
				if k.Type != "address by node" { // below it are the nodes' ids
					below(k.Path)
				}
			}
		}
	}
	below("")
	return list
}

func writeKeys(b *strings.Builder, section string, of map[string]description, keys []configs.Key, live bool) error {
	b.WriteString("| key | type | what it is | accepted | default |")
	if live {
		b.WriteString(" changes |")
	}
	b.WriteString("\n|---|---|---|---|---|" + map[bool]string{true: "---|"}[live] + "\n")
	kinds := []string{"postgres", "mqtt", "kafka", "file", "syslog"} // as in the specimen
	for _, k := range keys {
		d, known := described(of, k.Path)
		if !known {
			return fmt.Errorf("no description of %s: see describe.go", k.Path)
		}
		usual := d.usual
		switch {
		case usual != "":
		case k.Needed && !strings.Contains(d.text, "needed unless"):
			usual = "**needed**"
		case k.Default != "" && k.Default != "0s":
			usual = "`" + k.Default + "`"
		default:
			usual = "–"
		}
		text := d.text
		if section == "exports" && len(k.Elements) < len(kinds) {
			var list []string
			for _, e := range k.Elements {
				list = append(list, kinds[e])
			}
			text += " (" + strings.Join(list, ", ") + ")"
		}
		name := strings.TrimPrefix(strings.TrimPrefix(k.Path, section), "[]")
		if name = strings.TrimPrefix(name, "."); name == "" {
			name = section
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |", name, k.Type, text, cell(k.Accepted), usual)
		if live {
			fmt.Fprintf(b, " %s |", map[bool]string{true: "live", false: "restart"}[k.Live])
		}
		b.WriteString("\n")
	}
	return nil
}

func writeColumns(b *strings.Builder, file string, of map[string]string) error {
	b.WriteString("| column | in Chinese | what it is | for | accepted | needed |\n|---|---|---|---|---|---|\n")
	format := formats[file]
	for i, name := range format.Columns() {
		text, known := of[name]
		if !known {
			return fmt.Errorf("no description of column %s of %s: see columns.go", name, file)
		}
		takes, err := accepted(file, name, format)
		if err != nil {
			return err
		}
		kinds := []string{}
		for _, k := range format.Kinds(i) {
			kinds = append(kinds, k.String())
		}
		needed := "yes"
		if !format.Required(i) {
			needed = "–"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s |\n", name, cell(strings.Join(format.Headings(i), "、")), text, cell(strings.Join(kinds, ", ")), cell(takes), needed)
	}
	return nil
}

// cell is a text as a table has it.
func cell(text string) string {
	if text == "" {
		return "–"
	}
	return strings.NewReplacer("|", "\\|", "<", "\\<").Replace(text)
}
