package asdu

import (
	"fmt"
	"strconv"
	"strings"
)

// String is the ASDU in one line of words.
func (a ASDU) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %v", a.Type, a.Cause)
	if a.Negative {
		b.WriteString(" negative")
	}
	if a.Test {
		b.WriteString(" test")
	}
	if a.Originator != 0 {
		fmt.Fprintf(&b, " OA=%d", a.Originator)
	}
	fmt.Fprintf(&b, " CA=%d", a.CommonAddress)
	if a.Sequence {
		b.WriteString(" SQ")
	}
	if words, ok := a.explainFile(); ok {
		return b.String() + ": " + words
	}
	if !a.Known() {
		fmt.Fprintf(&b, ", %d objects: % x", a.count, a.body)
		return b.String()
	}
	separator := ": "
	for o := range a.Objects() {
		b.WriteString(separator)
		b.WriteString(layouts[a.Type].explain(o))
		separator = ", "
	}
	return b.String()
}

// words says how an element reads.
type words struct {
	states    []string           // the value's names, from 0
	bits      bool               // the value is a pattern of bits
	quality   *[8]string         // names of the quality bits, from the lowest
	qualifier func(uint8) string // the qualifier in words
}

var (
	qdsBits = &[8]string{0: "OV", 4: "BL", 5: "SB", 6: "NT", 7: "IV"}
	diqBits = &[8]string{4: "BL", 5: "SB", 6: "NT", 7: "IV"}
	qdpBits = &[8]string{3: "EI", 4: "BL", 5: "SB", 6: "NT", 7: "IV"}
	// The low five bits of a counter's octet are a number, not flags.
	bcrBits = &[8]string{5: "CY", 6: "CA", 7: "IV"}
)

func transient(q uint8) string {
	if q != 0 {
		return "transient"
	}
	return ""
}

func selectOrExecute(q uint8) string {
	if q&SelectBit != 0 {
		return "select"
	}
	return "execute"
}

// commandQualifier is QOC: S/E and QU.
func commandQualifier(q uint8) string {
	s := selectOrExecute(q)
	if qu := q >> 2 & 0x1f; qu != 0 {
		s += fmt.Sprintf(" QU=%d", qu)
	}
	return s
}

// setPointQualifier is QOS: S/E and QL.
func setPointQualifier(q uint8) string {
	s := selectOrExecute(q)
	if ql := q & 0x7f; ql != 0 {
		s += fmt.Sprintf(" QL=%d", ql)
	}
	return s
}

// parameterQualifier is QPM: kind, change, operation.
func parameterQualifier(q uint8) string {
	s := fmt.Sprintf("KPA=%d", q&0x3f)
	if q&0x40 != 0 {
		s += " LPC"
	}
	if q&0x80 != 0 {
		s += " POP"
	}
	return s
}

func initializationCause(q uint8) string {
	s := fmt.Sprintf("COI=%d", q&0x7f)
	if q&COIChanged != 0 {
		s += " changed"
	}
	return s
}

func counterQualifier(q uint8) string { return fmt.Sprintf("RQT=%d FRZ=%d", q&0x3f, q>>6) }

func numbered(name string) func(uint8) string {
	return func(q uint8) string { return name + "=" + strconv.Itoa(int(q)) }
}

// explain is an object in words: address, value, qualifier, quality, times.
func (l *layout) explain(o Object) string {
	b := strconv.AppendUint(nil, uint64(o.Address), 10)
	w := &l.element.words
	add := func(s string) {
		if s != "" {
			b = append(append(b, ' '), s...)
		}
	}
	switch {
	case l.element.kind == noValue:
	case w.states != nil:
		add(w.states[int(o.Value)])
	case w.bits:
		add(fmt.Sprintf("0x%x", uint32(o.Value)))
	case l.element.kind == whole && l.element.scale == 1:
		add(strconv.FormatFloat(o.Value, 'f', 0, 64))
	default:
		add(strconv.FormatFloat(o.Value, 'g', -1, 32))
	}
	if w.qualifier != nil {
		add(w.qualifier(o.Qualifier))
	}
	if w.quality != nil {
		add(qualityWords(w.quality, o.Quality))
	}
	if l.elapsed {
		add(fmt.Sprintf("%d ms", o.Elapsed))
	}
	add(o.Time.Text(l.time))
	return string(b)
}

// qualityWords lists the bits that are set, but for the sequence number of a counter as a number.
func qualityWords(names *[8]string, q uint8) string {
	var set []string
	if names == bcrBits {
		set = append(set, fmt.Sprintf("seq=%d", q&CounterSequence))
		q &^= CounterSequence
	}
	for i, name := range names {
		if q>>i&1 == 0 {
			continue
		}
		if name == "" {
			name = fmt.Sprintf("bit%d", i)
		}
		set = append(set, name)
	}
	return strings.Join(set, " ")
}

// String is the reading as 2006-01-02 15:04:05.000, with SU and IV. One that names no instant is shown all the same, and called so.
func (t CP56Time2a) String() string { return t.Text(CP56) }

// Text is the reading of a time tag of this kind, as String; of CP24 its minutes and seconds, as :04:05.000. Without a tag it is empty.
func (t CP56Time2a) Text(tag TimeTag) string {
	var err error
	date, hour := "", ""
	switch tag {
	case NoTime:
		return ""
	case CP24:
		err = t.CheckCP24()
	case CP56:
		err = t.Check()
		date, hour = fmt.Sprintf("%04d-%02d-%02d ", t.year(), t.month(), t.day()), fmt.Sprintf("%02d", t.hour())
	}
	text := fmt.Sprintf("%s%s:%02d:%02d.%03d", date, hour, t.minute(), t.millisecond()/1000, t.millisecond()%1000) + t.flags()
	if err != nil {
		return "no such time " + text
	}
	return text
}

func (t CP56Time2a) flags() string {
	s := ""
	if t.SummerTime() {
		s += " SU"
	}
	if t.Substituted() {
		s += " GEN"
	}
	if t.Invalid() {
		s += " IV"
	}
	return s
}

// explainFile is what an ASDU of file transfer says; ok is false if it is none, or can't be read.
func (a ASDU) explainFile() (words string, ok bool) {
	if a.Type == F_DR_TA_1 {
		entries, err := a.Directory()
		for i, e := range entries {
			if i > 0 {
				words += ", "
			}
			words += fmt.Sprintf("%d NOF=%d LOF=%d SOF=0x%02x %v", e.Address, e.Name, e.Length, e.Status, e.Time)
		}
		return words, err == nil
	}
	f, err := a.File()
	if err != nil {
		return "", false
	}
	words = fmt.Sprintf("%d NOF=%d", f.Address, f.Name)
	switch a.Type {
	case F_FR_NA_1:
		words += fmt.Sprintf(" LOF=%d FRQ=0x%02x", f.Length, f.Qualifier)
	case F_SR_NA_1:
		words += fmt.Sprintf(" NOS=%d LOS=%d SRQ=0x%02x", f.Section, f.Length, f.Qualifier)
	case F_SC_NA_1:
		words += fmt.Sprintf(" NOS=%d SCQ=0x%02x", f.Section, f.Qualifier)
	case F_LS_NA_1:
		words += fmt.Sprintf(" NOS=%d LSQ=%d CHS=0x%02x", f.Section, f.Qualifier, f.Checksum)
	case F_AF_NA_1:
		words += fmt.Sprintf(" NOS=%d AFQ=0x%02x", f.Section, f.Qualifier)
	case F_SG_NA_1:
		words += fmt.Sprintf(" NOS=%d, %d octets", f.Section, len(f.Segment))
	case F_SC_NB_1:
		words += fmt.Sprintf(" from %v to %v", f.From, f.To)
	}
	return words, true
}
