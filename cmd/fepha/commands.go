package main

import "github.com/spf13/cobra"

// commands are all subcommands, in the order of DESIGN's section on the tool.
func commands() []*cobra.Command {
	return []*cobra.Command{
		newNodeCommand(),
		newDevCommand(),
		newStatusCommand(),
		newConditionCommand(),
		newRaftCommand(),
		newMaintenanceCommand(),
		newRTUCommand(),
		newUplinkCommand(),
		newPointCommand(),
		newEventCommand(),
		newAuditCommand(),
		newControlCommand(),
		newTraceCommand(),
		newFNPCommand(),
		newConfigCommand(),
		newTLSCommand(),
		newUserCommand(),
		newTokenCommand(),
		newSimCommand(),
		newVersionCommand(),
	}
}
