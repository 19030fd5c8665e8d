// Package nodebundle is the one file with which a machine becomes a node of a station: `fepha station init` packs it, `fepha
// node install` puts it in place. It is a tar, packed with zstd:
//
//	bundle.json              which node of which station it is for: always first
//	etc/station.yaml         the configuration, and beside it the tables that it names
//	etc/tls/...              the CA's certificate, and this node's certificate and key
//	data/first-admin.json    the hash of the first admin's token
//
// It has this node's key in it, so whoever has the file can be this node: it's made readable by its owner alone. The CA's key
// and the first admin's token itself are in none.
package nodebundle
