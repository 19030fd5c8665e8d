package statuscmd

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

// The exit codes of fepha status --check, as those of monitoring plugins.
const (
	checkWell    = 0
	checkWarning = 1
	CheckAlarm   = 2
	checkUnknown = 3
)

// checkTimeout is how long a check may take: monitoring asks each minute or so, and an answer that late is none.
const checkTimeout = 10 * time.Second

// checkStation prints one line that says how the station is, and returns an error without words that has the exit code. What
// is acknowledged is still wrong.
func checkStation(ctx context.Context, w io.Writer, connect func() (*client.Client, error)) error {
	code, line := checkUnknown, ""
	c, err := connect()
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		var list api.Conditions
		if list, err = c.Conditions(ctx); err == nil {
			code, line = judge(list)
		}
	}
	if err != nil {
		line = fmt.Sprintf("UNKNOWN: %v", err)
	}
	if _, err := fmt.Fprintln(w, strings.Join(strings.Fields(line), " ")); err != nil {
		return err
	}
	if code == checkWell {
		return nil
	}
	return cli.Exit(code, cli.ErrTold)
}

// judge puts a list of conditions, the worst first, into a code and a line.
func judge(list api.Conditions) (code int, line string) {
	alarms, warnings := 0, 0
	for _, c := range list.Conditions {
		if c.Severity == api.SeverityAlarm {
			alarms++
		} else {
			warnings++
		}
	}
	worst := ""
	if len(list.Conditions) > 0 {
		text, _ := sentences(list.Conditions[0])
		worst = fmt.Sprintf(": %s: %s", list.Conditions[0].ID, text)
	}
	numbers := fmt.Sprintf("%s, %s", cli.Count(alarms, "alarm"), cli.Count(warnings, "warning"))
	switch {
	case alarms > 0:
		return CheckAlarm, "ALARM: " + numbers + worst
	case !list.Quorum:
		return CheckAlarm, fmt.Sprintf("ALARM: %s has no quorum, and doesn't know how the station is", list.Node)
	case warnings > 0:
		return checkWarning, "WARNING: " + numbers + worst
	}
	if !list.Known {
		return checkUnknown, "UNKNOWN: " + emptyList(list.Quorum, list.Known)
	}
	return checkWell, "OK: " + emptyList(list.Quorum, list.Known)
}
