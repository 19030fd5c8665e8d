package fsm

// The history is the journal and the audit in their one order.

// AuditEntries is the number of entries kept.
func (s *State) AuditEntries() uint64 { return s.audit.Count() }

// AuditLast is the number of the newest entry of the audit; 0 before the first.
func (s *State) AuditLast() uint64 { return s.audit.Last() }

// ReadAudit returns entries of the audit after this number, oldest first, at most limit.
func (s *State) ReadAudit(after uint64, limit int) []AuditEntry { return s.audit.After(after, limit) }

// AuditBefore returns the newest entries of the audit before this number, oldest first, at most limit.
func (s *State) AuditBefore(number uint64, limit int) []AuditEntry {
	return s.audit.Before(number, limit)
}

// Record is an event of the journal, or an entry of the audit.
type Record struct {
	Seq   uint64
	Event Event       // if Audit is nil
	Audit *AuditEntry // else
}

// NewestEvents returns the newest n events of an RTU, oldest first. It looks at as many events as within, the newest of all RTUs.
func (s *State) NewestEvents(rtu uint32, n, within int) []Event {
	return s.journal.Newest(rtu, n, within)
}

// ReadHistory returns events and entries of the audit after this number of the journal in their one order, at most limit.
func (s *State) ReadHistory(after uint64, limit int) []Record {
	return s.recordsAfter(after, limit, true, true)
}

// recordsAfter is ReadHistory of events, of the audit, or of both.
func (s *State) recordsAfter(after uint64, limit int, ofEvents, ofAudit bool) []Record {
	var events []Event
	var entries []AuditEntry
	if ofEvents {
		events = s.ReadJournal(after, make([]Event, min(uint64(limit), s.journal.Last()-min(after, s.journal.Last()))))
	}
	if ofAudit {
		entries = s.audit.AfterSeq(after, limit)
	}
	all := merge(events, entries)
	return all[:min(limit, len(all))]
}

// HistoryBefore returns the newest events and entries of the audit before this number of the journal, oldest first, at most
// limit.
func (s *State) HistoryBefore(seq uint64, limit int) []Record {
	from := s.journal.Before(seq, limit)
	events := s.ReadJournal(from, make([]Event, min(uint64(limit), s.journal.Count())))
	for len(events) > 0 && events[len(events)-1].Seq >= seq {
		events = events[:len(events)-1]
	}
	all := merge(events, s.audit.BeforeSeq(seq, limit))
	return all[max(0, len(all)-limit):]
}

// HistoryFirst is the number of the oldest event or entry of the audit kept; JournalLast+1 if none is.
func (s *State) HistoryFirst() uint64 {
	first := s.journal.Oldest()
	if seq, any := s.audit.First(); any {
		first = min(first, seq)
	}
	return first
}

func merge(events []Event, entries []AuditEntry) []Record {
	all := make([]Record, 0, len(events)+len(entries))
	for len(events)+len(entries) > 0 {
		if len(entries) == 0 || len(events) > 0 && events[0].Seq < entries[0].Seq {
			all = append(all, Record{Seq: events[0].Seq, Event: events[0]})
			events = events[1:]
		} else {
			all = append(all, Record{Seq: entries[0].Seq, Audit: &entries[0]})
			entries = entries[1:]
		}
	}
	return all
}
