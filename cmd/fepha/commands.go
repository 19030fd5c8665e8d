package main

import (
	"github.com/spf13/cobra"

	"github.com/fepha/fepha/cmd/fepha/internal/accesscmd"
	"github.com/fepha/fepha/cmd/fepha/internal/carecmd"
	"github.com/fepha/fepha/cmd/fepha/internal/configcmd"
	"github.com/fepha/fepha/cmd/fepha/internal/fieldcmd"
	"github.com/fepha/fepha/cmd/fepha/internal/fnpcmd"
	"github.com/fepha/fepha/cmd/fepha/internal/journalcmd"
	"github.com/fepha/fepha/cmd/fepha/internal/nodecmd"
	"github.com/fepha/fepha/cmd/fepha/internal/stationcmd"
	"github.com/fepha/fepha/cmd/fepha/internal/statuscmd"
	"github.com/fepha/fepha/cmd/fepha/internal/trialcmd"
)

// moreCommands are those of a build for other than the product; see manpages.go.
var moreCommands []*cobra.Command

// commands are all subcommands, in the order of DESIGN's section on the tool.
func commands() []*cobra.Command {
	return []*cobra.Command{
		stationcmd.NewStationCommand(),
		nodecmd.NewNodeCommand(),
		trialcmd.NewDevCommand(),
		statuscmd.NewStatusCommand(),
		statuscmd.NewConditionCommand(),
		nodecmd.NewRaftCommand(),
		nodecmd.NewMaintenanceCommand(),
		nodecmd.NewUpgradeCommand(),
		carecmd.NewDoctorCommand(), carecmd.NewDebugCommand(), carecmd.NewBackupCommand(),
		fieldcmd.NewRTUCommand(),
		fieldcmd.NewUplinkCommand(),
		fieldcmd.NewPointCommand(),
		journalcmd.NewEventCommand(), journalcmd.NewExportCommand(),
		journalcmd.NewAuditCommand(),
		fieldcmd.NewControlCommand(),
		fieldcmd.NewTraceCommand(),
		fnpcmd.NewFNPCommand(),
		configcmd.NewConfigCommand(),
		accesscmd.NewTLSCommand(),
		accesscmd.NewUserCommand(),
		accesscmd.NewTokenCommand(),
		trialcmd.NewSimCommand(),
		newVersionCommand(),
	}
}
