//go:build manpages

package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/internal/build"
)

// The manual pages, for scripts/package: they aren't in the product, nor is what makes them.
func init() {
	moreCommands = append(moreCommands, &cobra.Command{
		Use:    "manpages DIR",
		Short:  "Write a manual page for each command",
		Hidden: true,
		Args:   cli.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			return doc.GenManTree(root, &doc.GenManHeader{Title: "FEPHA", Section: "1", Source: "fepha " + build.Read().Version, Manual: "fepha"}, args[0])
		},
	})
}
