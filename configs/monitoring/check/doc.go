// Package check holds the rules and dashboards for Prometheus to the metrics that a node exposes, by docs/METRICS.md, to which a
// test of package node holds the program. It is a module of its own: Prometheus' parser is no part of the product.
package check
