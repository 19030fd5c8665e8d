// Package api is what a node answers and takes over HTTP, as the JSON on the
// wire: for the server and for clients alike. Package server answers, package
// client asks; README.md lists the requests.
//
// Fields may be added; none is renamed or changes its meaning.
package api
