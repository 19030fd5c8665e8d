package reference

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/fepha/fepha/configs"
)

// station has one table of each sort.
const station = `station: {id: 1}
cluster: {nodes: [
  {id: fep1, host: 1, role: fep, address: "127.0.0.1:7301", api: "127.0.0.1:7311"},
  {id: fep2, host: 2, role: fep, address: "127.0.0.1:7302", api: "127.0.0.1:7312"},
  {id: wit, host: 3, role: witness, address: "127.0.0.1:7303", api: "127.0.0.1:7313"}]}
security: {insecure: true}
rtus: [{number: 1, common_address: 1, points: rtu.csv, channels: [{address: "127.0.0.1:24041"}]}]
uplinks: [{name: occ, common_address: 1, points: uplink.csv, listen: {fep1: "127.0.0.1:24141", fep2: "127.0.0.1:24142"}, groups: [{name: occ, clients: [127.0.0.1]}]}]
virtual_points: virtual.csv
`

// tables are right ones, whose rows are told apart by their kind, or by what stands for it.
var tables = map[string][]map[string]string{
	"rtu.csv": {
		{"kind": "di", "point": "1", "ioa": "1"}, {"kind": "ai", "point": "1", "ioa": "2"}, {"kind": "counter", "point": "1", "ioa": "3"},
		{"kind": "bitstring", "point": "1", "ioa": "4", "type": "M_BO_NA_1"},
		{"kind": "do", "point": "1", "ioa": "1", "type": "C_SC_NA_1"}, {"kind": "ao", "point": "1", "ioa": "2", "type": "C_SE_NC_1"},
		{"as": "di with bit", "kind": "di", "point": "2", "ioa": "5", "type": "M_BO_NA_1", "bit": "0"},
	},
	"uplink.csv": {
		{"kind": "di", "rtu": "1", "point": "1", "ioa": "1", "type": "M_SP_TB_1"}, {"kind": "ai", "rtu": "1", "point": "1", "ioa": "2", "type": "M_ME_NC_1"},
		{"kind": "counter", "rtu": "1", "point": "1", "ioa": "3", "type": "M_IT_TB_1"}, {"kind": "bitstring", "rtu": "1", "point": "1", "ioa": "4", "type": "M_BO_NA_1"},
		{"kind": "do", "rtu": "1", "point": "1", "ioa": "1", "type": "C_SC_NA_1"}, {"kind": "ao", "rtu": "1", "point": "1", "ioa": "2", "type": "C_SE_NC_1"},
	},
	"virtual.csv": {{"rtu": "9", "point": "1", "name": "x", "source": "node:fep1"}},
}

// accepted is what a column takes, in the words in which its reader refuses what it doesn't; "" where it takes any text.
func accepted(table, column string, format configs.Format) (string, error) {
	type said struct{ kind, text string }
	var list []said
	for i, row := range tables[table] {
		expected, err := refused(table, i, column, format)
		if err != nil {
			return "", err
		}
		if expected != "" && expected != "nothing" {
			list = append(list, said{cmp.Or(row["as"], row["kind"]), expected})
		}
	}
	var kinds, texts []string // alike ones together
	for _, s := range list {
		if n := len(texts); n > 0 && texts[n-1] == s.text {
			kinds[n-1] += ", " + s.kind
			continue
		}
		kinds, texts = append(kinds, s.kind), append(texts, s.text)
	}
	if len(texts) == 1 {
		return texts[0], nil
	}
	for i := range texts {
		texts[i] = kinds[i] + ": " + texts[i]
	}
	return strings.Join(texts, "; "), nil
}

// refused is what is expected in the place of nonsense in one field.
func refused(table string, row int, column string, format configs.Format) (string, error) {
	_, err := configs.LoadFunc("station.yaml", func(path string) ([]byte, error) {
		name := filepath.Base(path)
		if name == "station.yaml" {
			return []byte(station), nil
		}
		rows, ok := tables[name]
		if !ok {
			return nil, fs.ErrNotExist
		}
		text := strings.Join(format.Columns(), ",") + "\n"
		if name != table {
			text = strings.Join(formats[name].Columns(), ",") + "\n"
		}
		for i, r := range rows {
			var fields []string
			for _, c := range formats[name].Columns() {
				if name == table && i == row && c == column {
					fields = append(fields, "?!")
				} else {
					fields = append(fields, r[c])
				}
			}
			text += strings.Join(fields, ",") + "\n"
		}
		return []byte(text), nil
	})
	var errs *configs.Errors
	if !errors.As(err, &errs) {
		return "", err // nil where it's taken
	}
	for _, e := range errs.List {
		if filepath.Base(e.File) == table && e.Key == column && e.Line == row+2 {
			return e.Expected, nil
		}
	}
	return "", nil
}
