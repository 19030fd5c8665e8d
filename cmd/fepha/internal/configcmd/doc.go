// Package configcmd has the commands about a station's configuration: check it, fill its tables, put it in force.
package configcmd
