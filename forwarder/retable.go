package forwarder

import (
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104/asdu"
)

// changedParameters is the cause of an initialization after a change of local parameters (101, clause 7.2.6.21).
const changedParameters = 0x80

// setTable puts another table in force. What was queued stays queued where the table still has it; analogs that are new
// in it are queued. That there's something to ask for, the client is told by an end of initialization.
func (f *feed) setTable(t *table) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.table
	if old == t {
		return
	}
	f.table = t
	moved := func(i int32) (int32, bool) {
		e := &old.entries[i]
		if e.role {
			return t.roleEntry, t.roleEntry >= 0
		}
		j, ok := t.byKey.get(e.key)
		return j, ok
	}
	var changed changeSet
	for _, i := range f.changed.all() {
		if j, ok := moved(i); ok {
			changed.add(j, len(t.entries))
		}
	}
	if f.main {
		for j := range t.entries {
			if e := &t.entries[j]; e.key.Kind == fsm.AI && !e.role {
				if i, known := old.byKey.get(e.key); !known || old.entries[i] != *e {
					changed.add(int32(j), len(t.entries))
				}
			}
		}
	}
	f.changed = changed
	for _, j := range f.jobs {
		var entries []int32
		for _, i := range j.entries {
			if k, ok := moved(i); ok {
				entries = append(entries, k)
			}
		}
		j.entries = entries
	}
	for _, sector := range f.sectors {
		a, err := f.config.Profile.New(asdu.Header{Type: asdu.M_EI_NA_1, Cause: asdu.Initialized, CommonAddress: sector},
			asdu.Object{Qualifier: changedParameters})
		if err != nil { // New has checked the profile and address
			f.log.Error("end of initialization can't be built", "error", err)
			return
		}
		f.answers = append(f.answers, answer{asdu: a})
	}
	f.wake()
}
