package node

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/words"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/export"
	"github.com/fepha/fepha/export/file"
	"github.com/fepha/fepha/export/kafka"
	"github.com/fepha/fepha/export/mqtt"
	"github.com/fepha/fepha/export/postgres"
	"github.com/fepha/fepha/export/syslog"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/certs"
	"github.com/fepha/fepha/internal/passwordfile"
)

// exportConfig is that of the node's exports.
func exportConfig(c *current, node *member, conditions condition.Reporter, log *slog.Logger) (export.Config, error) {
	s := c.station()
	cfg := export.Config{Replica: node, Station: s.ID, Location: s.Location, Words: exportWords{c}, Conditions: conditions, Log: log}
	for i := range s.Exports {
		e := &s.Exports[i]
		driver, err := exportDriver(s, node.ID(), e, log)
		if err != nil {
			return cfg, fmt.Errorf("export %s: %w", e.Name, err)
		}
		cfg.Exports = append(cfg.Exports, export.Export{Name: e.Name, Driver: driver, Values: e.Values, States: e.Kind == configs.ExportMQTT})
	}
	return cfg, nil
}

func exportDriver(s *configs.Station, node string, e *configs.Export, log *slog.Logger) (export.Driver, error) {
	secured, err := exportTLS(e, log)
	if err != nil {
		return nil, err
	}
	switch e.Kind {
	case configs.ExportPostgres:
		return postgres.New(postgres.Config{URL: e.URL, Password: passwordOf(e.PasswordFile), TLS: secured})
	case configs.ExportMQTT:
		return mqtt.New(mqtt.Config{Name: e.Name, Station: s.ID, URL: e.URL, Password: passwordOf(e.PasswordFile), TLS: secured, Topic: e.Topic})
	case configs.ExportKafka:
		return kafka.New(kafka.Config{Brokers: e.Brokers, Topic: e.Topic, Username: e.Username, Password: passwordOf(e.PasswordFile), TLS: secured}), nil
	case configs.ExportSyslog:
		return syslog.New(syslog.Config{URL: e.URL, TLS: secured, Host: fmt.Sprintf("station-%d", s.ID)})
	default:
		return file.New(file.Config{
			Dir: strings.ReplaceAll(e.Dir, "{node}", node), Station: s.ID, Format: file.Format(e.Format), Rotate: e.Rotate, Keep: e.Keep,
			Compress: e.Compress == configs.CompressZstd, Free: uint64(e.FreeMB) << 20,
		}), nil
	}
}

// exportTLS is nil for an export in clear text. What its files hold is read anew when they change.
func exportTLS(e *configs.Export, log *slog.Logger) (func() *tls.Config, error) {
	t := e.TLS
	if u, err := url.Parse(e.URL); t == nil && (err != nil || u.Scheme != "mqtts" && u.Scheme != "syslog+tls") {
		return nil, nil
	} else if t == nil {
		t = &configs.TLS{}
	}
	source, err := certs.Watch(certFiles(t), log)
	if err != nil {
		return nil, err
	}
	return func() *tls.Config {
		return source.Client(&tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName})
	}, nil
}

// passwordOf reads a password when it's asked for.
func passwordOf(f configs.File) func() (string, error) {
	return func() (string, error) { return passwordfile.Read(f.Path) }
}

// exportWords implements export.Words.
type exportWords struct{ *current }

func (w exportWords) Point(k fsm.PointKey) (name, unit string) {
	info, _ := w.describe(k)
	return info.Name, info.Unit
}

func (exportWords) Quality(typeID, quality uint8) string { return api.QualityWords(typeID, quality) }

func (w exportWords) Sentence(e *fsm.AuditEntry) string {
	info, _ := w.describe(e.Point)
	en, _ := words.Entry(e, info.Name, "")
	return en
}
