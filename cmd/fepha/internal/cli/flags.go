package cli

import (
	"log/slog"

	"github.com/fepha/fepha/configs"
)

// LogLevel reads what --log-level says.
func LogLevel(text string) (level slog.Level, err error) {
	if level.UnmarshalText([]byte(text)) != nil {
		err = Usagef("--log-level %q: expected debug, info, warn or error", text)
	}
	return level, err
}

// LoadStation loads a configuration; what is wrong with it is a usage error.
func LoadStation(path string) (*configs.Station, error) {
	station, err := configs.Load(path)
	if err != nil {
		return nil, Exit(ExitUsage, err)
	}
	return station, nil
}
