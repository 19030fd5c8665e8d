package configs

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ExportKind is what an export brings the station's records into.
type ExportKind string

const (
	ExportPostgres ExportKind = "postgres"
	ExportMQTT     ExportKind = "mqtt"
	ExportFile     ExportKind = "file"
	ExportSyslog   ExportKind = "syslog"
	ExportKafka    ExportKind = "kafka"
)

// ExportContent is which records an export takes.
type ExportContent string

const (
	ContentEvents ExportContent = "events" // default, but for syslog
	ContentAudit  ExportContent = "audit"
	ContentAll    ExportContent = "all" // default of syslog
)

// ExportFormat is how a file's rows are written.
type ExportFormat string

const (
	FormatCSV   ExportFormat = "csv" // default
	FormatJSONL ExportFormat = "jsonl"
)

// Compression of files that have ended.
type Compression string

const (
	CompressNone Compression = "none" // default
	CompressZstd Compression = "zstd"
)

// Export is a reader of the journal towards a database, a bus or files.
type Export struct {
	Name    string        `yaml:"name"`
	Kind    ExportKind    `yaml:"kind"`
	Content ExportContent `yaml:"content"`
	// Values is how often values that have changed are written beside the events: 1 s to 1 h; 0 (`off`, the default) never.
	Values time.Duration `yaml:"values,omitzero"`

	URL          string `yaml:"url,omitempty"`     // postgres, mqtt, syslog; never with a password
	Username     string `yaml:"username,omitzero"` // kafka, where it isn't part of a URL
	PasswordFile File   `yaml:"password_file,omitzero"`
	TLS          *TLS   `yaml:"tls,omitempty"` // nil: as the URL says; needed outside loopback

	Topic   string   `yaml:"topic,omitempty"` // mqtt, kafka
	Brokers []string `yaml:"brokers,flow,omitempty"`

	Dir      string        `yaml:"dir,omitempty"` // of files: an absolute path, on each FEP; {node} stands for its id
	Format   ExportFormat  `yaml:"format,omitempty"`
	Rotate   time.Duration `yaml:"rotate,omitzero"` // after which a file ends: 1 min to 365 days; default 24 h
	Keep     time.Duration `yaml:"keep,omitzero"`   // after which one that has ended is removed: 1 h to 10 years; 0 (`off`, default): never
	Compress Compression   `yaml:"compress,omitempty"`
	FreeMB   int           `yaml:"free_mb,omitzero"` // what is to stay free on the disk of dir; default 1024
}

// MarshalYAML has files that never end say so: without it the default would be meant.
func (e Export) MarshalYAML() (any, error) {
	type plain Export
	if e.Kind != ExportFile || e.Rotate != 0 {
		return plain(e), nil
	}
	return struct {
		plain  `yaml:",inline"`
		Rotate string `yaml:"rotate"`
	}{plain(e), "off"}, nil
}

// Events tells whether the export takes events.
func (e *Export) Events() bool { return e.Content != ContentAudit }

// Audit tells whether it takes the audit.
func (e *Export) Audit() bool { return e.Content != ContentEvents }

func (l *loader) backup(o *object) *Backup {
	o.required("dir")
	b := &Backup{Dir: o.absolute("dir"), Every: o.duration("every", day, time.Hour, 30*day), Keep: o.int("keep", 7, 1, 1000)}
	b.PassphraseFile = l.named(o, "passphrase_file", FilePassword)
	o.end()
	return b
}

// absolute reads the path of a folder.
func (o *object) absolute(name string) string {
	dir := o.text(name, "")
	if dir != "" && !filepath.IsAbs(dir) {
		o.fail(name, quote(dir)+" is relative", "an absolute path: nodes are started in different folders")
	}
	return dir
}

const (
	day        = 24 * time.Hour
	maxExports = 16
)

func (l *loader) export(o *object) Export {
	o.required("name", "kind")
	e := Export{Name: o.name("name"), Kind: enum(o, "kind", "", ExportPostgres, ExportMQTT, ExportFile, ExportSyslog, ExportKafka)}
	content := ContentEvents
	if e.Kind == ExportSyslog {
		content = ContentAll
	}
	e.Content = enum(o, "content", content, ContentEvents, ContentAudit, ContentAll)
	switch e.Kind {
	case ExportPostgres:
		l.exportURL(o, &e, "postgres")
		e.Values = o.valuesPeriod()
	case ExportMQTT:
		l.exportURL(o, &e, "mqtts", "mqtt")
		o.required("topic")
		e.Topic = o.text("topic", "")
		o.mqttTopic(e.Topic)
		e.Values = o.valuesPeriod()
	case ExportKafka:
		o.required("brokers", "topic")
		e.Topic = o.text("topic", "")
		if !kafkaTopic.MatchString(e.Topic) && e.Topic != "" {
			o.fail("topic", quote(e.Topic)+" can't be a topic", "1 to 200 of A-Z, a-z, 0-9, . _ -")
		}
		list := o.filled("brokers")
		e.Brokers = o.strings(list)
		for i, b := range e.Brokers {
			o.doc.hostPort(list[i].path, b)
		}
		e.Username, e.PasswordFile = o.text("username", ""), l.named(o, "password_file", FilePassword)
		e.TLS = l.tls(o, "tls", false)
		e.Values = o.valuesPeriod()
	case ExportSyslog:
		l.exportURL(o, &e, "syslog+tls", "syslog+tcp")
	case ExportFile:
		o.required("dir")
		e.Dir = o.absolute("dir")
		e.Format = enum(o, "format", FormatCSV, FormatCSV, FormatJSONL)
		e.Rotate = o.periodOf("rotate", day, time.Minute, 365*day)
		e.Keep = o.periodOf("keep", 0, time.Hour, 3650*day)
		e.Compress = enum(o, "compress", CompressNone, CompressNone, CompressZstd)
		e.FreeMB = o.int("free_mb", 1024, 16, 1<<30)
	}
	o.end()
	return e
}

var kafkaTopic = regexp.MustCompile(`^[A-Za-z0-9._-]{1,200}$`)

// exportURL reads where the target is; the first of the schemes is the one to use outside loopback.
func (l *loader) exportURL(o *object, e *Export, schemes ...string) {
	o.required("url")
	expected := strings.Join(schemes, ":// or ") + "://"
	e.URL = o.text("url", "")
	o.told("url", "text", "", expected+"host:port")
	e.PasswordFile = l.named(o, "password_file", FilePassword)
	e.TLS = l.tls(o, "tls", false)
	if e.URL == "" {
		return
	}
	u, err := url.Parse(e.URL)
	password := false
	if err == nil {
		_, password = u.User.Password()
	}
	switch {
	case err != nil || u.Host == "" || !strings.HasPrefix(expected, u.Scheme+"://") && !strings.Contains(expected, " "+u.Scheme+"://"):
		o.fail("url", "is none that this kind takes", expected+"host:port") // not quoted: there may be a password in it
	case password:
		o.fail("url", "has a password in it, which would be shown wherever the configuration is", "the password alone in a file, named by password_file")
	}
}

// valuesPeriod reads `values`: a period, or true for one second.
func (o *object) valuesPeriod() time.Duration {
	defer o.told("values", "duration", "off", "off, true for 1s, or 1s to 1h")
	if n := o.fields["values"]; n != nil {
		if text, _ := scalar(n); text == "true" || text == "false" {
			if o.value("values"); text == "true" {
				return time.Second
			}
			return 0
		}
	}
	return o.periodOf("values", 0, time.Second, time.Hour)
}

// mqttTopic checks a template of topics: a client may publish to no wildcard (MQTT 5, 4.7), and needs a prefix of its own.
func (o *object) mqttTopic(topic string) {
	rest := strings.NewReplacer("{station}", "", "{rtu}", "", "{kind}", "", "{point}", "").Replace(topic)
	if topic != "" && (strings.ContainsAny(rest, "{}+#\x00") || strings.HasPrefix(topic, "{") || strings.HasPrefix(topic, "/")) {
		o.fail("topic", quote(topic)+" can't be published to", "a text before the first {..}, of which there are {station}, {rtu}, {kind}, {point}, and neither + nor #")
	}
}

// checkExports holds what leaves the host to TLS, and names to be their own.
func (l *loader) checkExports(s *Station) {
	names, dirs := unique[string]{}, unique[string]{}
	if len(s.Exports) > maxExports {
		l.doc.fail("exports", fmt.Sprintf("has %d", len(s.Exports)), fmt.Sprintf("at most %d", maxExports))
	}
	for i := range s.Exports {
		e, key := &s.Exports[i], fmt.Sprintf("exports[%d]", i)
		names.check(l.doc, key+".name", e.Name)
		if e.Dir != "" {
			dirs.check(l.doc, key+".dir", filepath.Clean(e.Dir))
		}
		for _, host := range e.hosts() {
			if s.Security.Insecure && !loopback(host) {
				l.doc.fail(key, quote(host)+" may not be a loopback address", "localhost, 127.0.0.0/8 or ::1 while security.insecure is true")
			} else if !e.secured() && !loopback(host) {
				l.doc.fail(key+".tls", "is missing: "+quote(host)+" is another host, and events and passwords would go there in clear text", "tls: {ca: ...}, or tls: {} for the system's certificates, and the scheme for it")
			}
		}
	}
}

// Addresses are those that the export connects to, host:port, the port of a URL without one being that of its kind. Files have none.
func (e *Export) Addresses() []string {
	u, err := url.Parse(e.URL)
	if err != nil || e.URL == "" {
		return slices.Clone(e.Brokers)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"postgres": "5432", "mqtt": "1883", "mqtts": "8883", "syslog+tls": "6514", "syslog+tcp": "601"}[u.Scheme]
	}
	return []string{net.JoinHostPort(u.Hostname(), port)}
}

// hosts are those that the export connects to.
func (e *Export) hosts() (hosts []string) {
	if u, err := url.Parse(e.URL); err == nil && e.URL != "" {
		hosts = append(hosts, u.Hostname())
	}
	for _, b := range e.Brokers {
		if host, _, err := net.SplitHostPort(b); err == nil {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// Target is where the export goes, for people: hosts, or a folder.
func (e *Export) Target() string {
	if u, err := url.Parse(e.URL); err == nil && e.URL != "" {
		return u.Host + u.Path
	}
	return strings.Join(append(slices.Clone(e.Brokers), e.Dir), "")
}

// secured tells whether the export speaks TLS.
func (e *Export) secured() bool {
	switch e.Kind {
	case ExportMQTT:
		return strings.HasPrefix(e.URL, "mqtts:")
	case ExportSyslog:
		return strings.HasPrefix(e.URL, "syslog+tls:")
	}
	return e.TLS != nil
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}
