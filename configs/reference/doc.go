// Package reference writes docs/CONFIGURATION.md: every key of station.yaml and every column of the tables. Types, defaults, ranges and
// what a running station can change come from the reader itself ([configs.Keys], [configs.Format]); what a key is for is said here.
// A key without a description fails this package's tests, and so does a page that isn't what [Page] gives.
package reference

//go:generate go run ./write ../../docs/CONFIGURATION.md
