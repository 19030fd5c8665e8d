package iec104

import "iter"

// setClock answers C_CS (101, clause 7.4.6). The confirmation goes behind the
// events that wait, whose time tags are of the clock before.
func (st *Station) setClock(c *Call) error {
	if ok, err := c.allowed(Activation); !ok {
		return err
	}
	t := c.Object.Time
	if !c.single() || c.ASDU.Test || st.SetClock == nil || t.Check() != nil || t.Invalid() || st.SetClock(c.CommonAddress, t) != nil {
		return c.Negative()
	}
	if st.Respond != nil {
		return c.Confirm()
	}
	return c.Session.Stream(once(c.ASDU.Mirror(ActivationCon, false)))
}

// once is a series of one.
func once(a ASDU) iter.Seq[ASDU] { return func(yield func(ASDU) bool) { yield(a) } }

// test answers C_TS_TA_1 with the same counter.
func (st *Station) test(c *Call) error {
	if ok, err := c.allowed(Activation); !ok {
		return err
	}
	if !c.single() {
		return c.Negative()
	}
	return c.Confirm()
}

// reset answers C_RP (101, clause 7.4.7).
func (st *Station) reset(c *Call) error {
	if ok, err := c.allowed(Activation); !ok {
		return err
	}
	if !c.single() || c.ASDU.Test || c.Object.Qualifier != QRPProcess || st.Reset == nil || st.Reset(c.CommonAddress) != nil {
		return c.Negative()
	}
	return c.Confirm()
}
