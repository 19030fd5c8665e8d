// Package nodecmd has the commands about the station's nodes and the group that they form: run one, empty it, add, remove,
// save and restore.
package nodecmd
