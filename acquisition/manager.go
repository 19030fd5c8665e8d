package acquisition

import "context"

// Manager runs the acquisition of one node.
type Manager struct {
	config Config
}

// New checks the configuration and makes a manager; nothing runs before [Manager.Run]. The error is an [ErrConfig] that
// names everything that's wrong.
func New(config Config) (*Manager, error) {
	return &Manager{config: config}, nil
}

// Run works until ctx ends, and returns after every connection is closed and every goroutine has ended. It is called
// once. The error is that of the cluster node if it was closed before ctx ended, else nil.
func (m *Manager) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Configure puts another list of RTUs in force: the links of those that aren't concerned go on. With an error nothing
// has changed. Before Run it only replaces the list that New got.
func (m *Manager) Configure(rtus []RTU) error { return nil }

// Counters returns what was counted of each RTU since Run, by number.
func (m *Manager) Counters() []Counters { return nil }
