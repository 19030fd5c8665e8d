// Package fieldcmd has the commands about what the station is for: RTUs, points, controls, uplinks, frames.
package fieldcmd
