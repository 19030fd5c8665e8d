package configcmd

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/configs/importer"
	"github.com/fepha/fepha/node/watch"
)

// configFlags are those of every command about a station.yaml.
type configFlags struct {
	path string
	json bool
}

// NewConfigCommand makes `fepha config`.
func NewConfigCommand() *cobra.Command {
	var f configFlags
	cmd := &cobra.Command{Use: "config", Short: "Check a station's configuration, show it, fill its tables, put it in force"}
	fl := cmd.PersistentFlags()
	fl.StringVar(&f.path, "config", "station.yaml", "the station's configuration")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	cmd.AddCommand(newConfigCheckCommand(&f), newConfigShowCommand(&f), newConfigImportCommand(&f), newConfigApplyCommand(&f),
		newConfigGetCommand(), newConfigHistoryCommand())
	return cmd
}

// file is the configuration that a command is about: it may be named without
// --config.
func (f *configFlags) file(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return f.path
}

// A CheckReport is what `config check --json` prints.
type CheckReport struct {
	OK     bool           `json:"ok"`
	Digest string         `json:"digest,omitempty"` // of what the nodes must agree on
	Errors []configReport `json:"errors"`
	Total  int            `json:"total"` // of errors, should there be more than are listed
	// Warnings are what is allowed, but likely not what is meant.
	Warnings      []configReport `json:"warnings"`
	WarningsTotal int            `json:"warnings_total"`
}

type configReport struct {
	File     string `json:"file"`
	Line     int    `json:"line"`   // 0: the file as a whole
	Column   int    `json:"column"` // from 1, in characters
	Key      string `json:"key"`
	Problem  string `json:"problem"`
	Expected string `json:"expected"`
}

func newConfigCheckCommand(f *configFlags) *cobra.Command {
	var strict, noFiles bool
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check a station.yaml and the tables that it names",
		Long: `Check a station.yaml and the tables that it names, as a node does when it
starts. Every error is listed with file, line, column and what was expected;
the exit code is 2 then. The digest is the same on nodes whose configurations
agree.

The keys, certificates, tokens and passwords that it names are looked at too, as
they are on this machine: a node would not start without them. Where they are on
another machine, --no-files leaves them out.

What is allowed but likely not meant is a warning, with the same words. Nodes
run with it; with --strict the exit code is 1.`,
		Example: `  fepha config check /etc/fepha/station.yaml
  fepha config check --strict /etc/fepha/station.yaml`,
		Args: cli.Args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			station, err := cli.LoadStation(f.file(args))
			if err == nil && !noFiles {
				err = checkFiles(station)
			}
			if err != nil {
				if list, ok := errors.AsType[*configs.Errors](err); ok && f.json {
					if err := cli.WriteJSON(cmd.OutOrStdout(), reportOf(list)); err != nil {
						return err
					}
					return cli.Usagef("%d errors", list.Total)
				}
				return err
			}
			if f.json {
				report := CheckReport{OK: true, Digest: station.Digest(), Errors: []configReport{}}
				report.Warnings, report.WarningsTotal = reportsOf(station.Warnings), station.Warnings.Total
				err = cli.WriteJSON(cmd.OutOrStdout(), report)
			} else {
				err = printChecked(cmd.OutOrStdout(), f.file(args), station)
			}
			if err == nil && strict && station.Warnings.Total > 0 {
				return fmt.Errorf("%s, and --strict", cli.Count(station.Warnings.Total, "warning"))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "fail with exit code 1 if there are warnings")
	cmd.Flags().BoolVar(&noFiles, "no-files", false, "leave out keys, certificates, tokens and passwords")
	return cmd
}

// checkFiles looks at the keys, certificates and the like that a station names. Its warnings become some of the station's.
func checkFiles(station *configs.Station) error {
	errs, warnings := watch.CheckFiles(station, time.Now())
	if len(errs) > 0 {
		return cli.Exit(cli.ExitUsage, &configs.Errors{List: errs, Total: len(errs)})
	}
	station.Warnings.List = append(station.Warnings.List, warnings...)
	station.Warnings.Total += len(warnings)
	return nil
}

func printChecked(w io.Writer, file string, station *configs.Station) error {
	points := 0
	for i := range station.RTUs {
		points += len(station.RTUs[i].Points)
	}
	_, err := fmt.Fprintf(w, "%s is right: station %d %q, %s, %s with %s, %s, %s\ndigest %s\n",
		file, station.ID, station.Name, cli.Count(len(station.Cluster.Nodes), "node"), cli.Count(len(station.RTUs), "RTU"),
		cli.Count(points, "point"), cli.Count(len(station.Uplinks), "uplink"), cli.Count(len(station.VirtualPoints), "virtual point"), station.Digest())
	if err == nil && station.Warnings.Total > 0 {
		_, err = fmt.Fprintf(w, "%s, likely not what is meant:\n%v\n", cli.Count(station.Warnings.Total, "warning"), station.Warnings)
	}
	return err
}

func reportOf(errs *configs.Errors) CheckReport {
	return CheckReport{Total: errs.Total, Errors: reportsOf(errs), Warnings: []configReport{}}
}

func reportsOf(errs *configs.Errors) []configReport {
	reports := make([]configReport, len(errs.List))
	for i, e := range errs.List {
		reports[i] = configReport(e)
	}
	return reports
}

func newConfigShowCommand(f *configFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "show [FILE]",
		Short: "Print the effective station.yaml, with every default written out",
		Args:  cli.Args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			station, err := cli.LoadStation(f.file(args))
			if err != nil {
				return err
			}
			text, err := station.YAML()
			if err == nil && f.json {
				text, err = yaml.YAMLToJSON(text)
			}
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
}

func newConfigImportCommand(f *configFlags) *cobra.Command {
	var mapping string
	var dryRun bool
	var rows int
	cmd := &cobra.Command{
		Use:   "import SOURCE",
		Short: "Fill the tables that a station.yaml names from a workbook or a database",
		Long: `Fill the tables that a station.yaml names from an .xlsx workbook with one sheet
a table, or from an SQLite database. Which of the database's tables and columns
become what, a mapping file says.

It prints what changes. Nothing is written with --dry-run, nor when the station
would be refused with the new tables: the exit code is 2 then. Columns that the
source doesn't have stay as they are.`,
		Example: `  fepha config import points.xlsx --dry-run
  fepha config import site.db --mapping mapping.yaml --config /etc/fepha/station.yaml`,
		Args: cli.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, err := planImport(f.path, args[0], mapping)
			if err != nil {
				return err
			}
			if err := showPlan(cmd.OutOrStdout(), plan, f.json, rows); err != nil {
				return err
			}
			switch {
			case plan.Problems != nil:
				return cli.Usagef("nothing was written: the station would be refused with the new tables (%s)", cli.Count(plan.Problems.Total, "error"))
			case dryRun:
				return f.say(cmd, "a dry run: nothing was written")
			}
			if err := plan.Apply(); err != nil {
				return err
			}
			return f.say(cmd, "written; `fepha config apply` puts it in force")
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&mapping, "mapping", "", "how the database's tables become the station's (needed for a database)")
	fl.BoolVar(&dryRun, "dry-run", false, "only print what would change")
	fl.IntVar(&rows, "rows", 20, "rows that are printed of each kind of change, at most")
	return cmd
}

// say tells a person how it ended.
func (f *configFlags) say(cmd *cobra.Command, how string) error {
	if f.json {
		return nil
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), how)
	return err
}

func planImport(config, source, mapping string) (*importer.Plan, error) {
	tables, err := configs.Tables(config)
	if err != nil {
		return nil, cli.Exit(cli.ExitUsage, err)
	}
	var imported *importer.Import
	switch workbook := strings.EqualFold(filepath.Ext(source), ".xlsx"); {
	case workbook && mapping != "":
		return nil, cli.Usagef("--mapping is for databases: a workbook's sheets are named after the tables")
	case workbook:
		imported, err = importer.Workbook(source, tables)
	case mapping == "":
		return nil, cli.Usagef("%s is no .xlsx workbook, so it's taken for an SQLite database: expected --mapping too", source)
	default:
		var m *importer.Mapping
		if m, err = importer.ReadMapping(mapping); err == nil {
			imported, err = importer.Database(source, m, tables)
		}
	}
	if err != nil {
		return nil, usageIfConfig(err)
	}
	plan, err := importer.NewPlan(config, imported)
	return plan, usageIfConfig(err)
}

// usageIfConfig makes an error about what the user wrote a usage error.
func usageIfConfig(err error) error {
	if _, ok := errors.AsType[*configs.Errors](err); ok || errors.Is(err, importer.ErrSource) {
		return cli.Exit(cli.ExitUsage, err)
	}
	return err
}

// A TablePlan is what `config import --json` prints of a table.
type TablePlan struct {
	File      string   `json:"file"`
	Added     []string `json:"added"`
	Changed   []string `json:"changed"`
	Removed   []string `json:"removed"`
	Unchanged int      `json:"unchanged"`
}

func showPlan(w io.Writer, plan *importer.Plan, asJSON bool, rows int) error {
	if !asJSON {
		plan.Print(w, rows)
		return nil
	}
	out := struct {
		Tables   []TablePlan    `json:"tables"`
		Skipped  []string       `json:"skipped"`
		Problems []configReport `json:"problems"`
	}{Tables: []TablePlan{}, Skipped: orNone(plan.Skipped), Problems: []configReport{}}
	for _, c := range plan.Changes {
		out.Tables = append(out.Tables, TablePlan{c.File.Name, orNone(c.Added), orNone(c.Changed), orNone(c.Removed), c.Unchanged})
	}
	if plan.Problems != nil {
		out.Problems = reportOf(plan.Problems).Errors
	}
	return cli.WriteJSON(w, out)
}

// orNone makes an empty list of nil, since JSON tells them apart.
func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
