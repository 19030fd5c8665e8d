// Package importer makes point tables from an .xlsx workbook or from an SQLite database, and shows what that would change
// before it does.
//
// It replaces the rows of tables that station.yaml names, never station.yaml itself, and nothing before the whole station
// was loaded with the new tables and found right: a mistake in a workbook changes no file. What a source doesn't say (a
// column that it doesn't have) stays as it is in the table.
package importer
