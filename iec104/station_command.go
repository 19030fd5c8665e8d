package iec104

import (
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

const (
	defaultSelectTimeout = 30 * time.Second
	defaultCommandAge    = 30 * time.Second
)

// command answers the commands to the process (101, clause 7.4.4; 104, clause
// 12.1 for the time tag).
func (st *Station) command(c *Call) error {
	if ok, err := c.allowed(asdu.Activation, asdu.Deactivation); !ok {
		return err
	}
	if st.Has != nil && !st.Has(c.CommonAddress, c.ASDU.Type, c.Object.Address) {
		return c.Reject(asdu.UnknownObjectAddress)
	}
	if !c.single() || c.ASDU.Test || !operable(c.ASDU.Type, c.Object) {
		return c.Negative()
	}
	if !st.timely(c.ASDU.Type, c.Object.Time) {
		if st.SilentStale {
			return nil
		}
		return c.Negative()
	}
	if !st.decide(c) {
		return c.Negative()
	}
	if c.ASDU.Cause == asdu.Activation && !c.Object.Select() {
		st.Command(c)
		return nil
	}
	return c.Confirm()
}

// decide applies the rules of select and execute.
func (st *Station) decide(c *Call) bool {
	key := selectionKey{c.CommonAddress, c.Object.Address}
	order := orderOf(c.ASDU.Type, c.Object)
	link := linkStart{c.Session, c.turn}
	if c.ASDU.Cause == asdu.Activation && c.Object.Select() && st.Select != nil && st.Select(c) != nil {
		return false
	}
	required := st.SelectRequired != nil && st.SelectRequired(c.CommonAddress, c.ASDU.Type, c.Object.Address)
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.epoch.IsZero() {
		st.epoch = time.Now()
		st.selections.timeout = st.SelectTimeout
		if st.SelectTimeout <= 0 {
			st.selections.timeout = defaultSelectTimeout
		}
	}
	now := time.Since(st.epoch)
	switch {
	case c.ASDU.Cause == asdu.Deactivation:
		return st.selections.cancel(now, link, key)
	case c.Object.Select():
		return st.selections.choose(now, link, key, order)
	default:
		return st.selections.execute(now, link, key, order, required)
	}
}

// operable reports whether the state asked for is one that can be: for double
// and regulating step commands, 0 and 3 are not permitted.
func operable(t asdu.TypeID, o asdu.Object) bool {
	switch t.Untimed() {
	case asdu.C_DC_NA_1, asdu.C_RC_NA_1:
		return o.Value == 1 || o.Value == 2
	}
	return true
}

// timely reports whether a command's time tag, if it has one, is valid and near
// enough.
func (st *Station) timely(t asdu.TypeID, tag asdu.CP56Time2a) bool {
	if t.TimeTag() == asdu.NoTime {
		return true
	}
	most := st.CommandAge
	if most == 0 {
		most = defaultCommandAge
	}
	if tag.Invalid() || tag.Check() != nil {
		return false
	}
	if most < 0 {
		return true
	}
	loc := st.Location
	if loc == nil {
		loc = time.UTC
	}
	at, err := tag.Time(loc)
	return err == nil && time.Since(at).Abs() <= most
}
