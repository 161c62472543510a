package main

import (
	"github.com/spf13/cobra"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/compare"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/config"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/inspect"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/merge"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/node"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/proc"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/spawn"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/sweep"
)

// newRootCommand returns the command line. The root command runs a cluster; other modes are
// subcommands.
func newRootCommand() *cobra.Command {
	root := spawn.NewClusterCommand()
	root.AddCommand(config.NewCommand(), proc.NewCommand(), merge.NewCommand())
	root.AddCommand(node.NewCommand(), sweep.NewCommand(), compare.NewCommand(), inspect.NewJournalCommand(), inspect.NewArchiveCommand())
	return root
}
