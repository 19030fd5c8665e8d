package reference

// What each column of the tables is for.

var rtuColumns = map[string]string{
	"kind":      "What the point is: digital input, analog input, counter, bitstring, digital or analog output",
	"point":     "Its number, once within the RTU and kind",
	"ioa":       "Information object address, once within the RTU in its direction; with `ioa_format` in parts",
	"type":      "Type identification, by name or number. Empty: any of the kind; needed for controls and bitstrings",
	"name":      "For people",
	"deadband":  "What it must change by to be told: in engineering units, or in % of the range low to high (of the value where there is none). Empty: every change",
	"scale":     "Engineering value = device's value × scale + offset. Empty: 1",
	"offset":    "Empty: 0",
	"unit":      "Of the engineering value, for people",
	"invert":    "0 is told as 1 and 1 as 0. Empty: not",
	"category":  "What a control is for, for people: all are executed alike. Empty: as the kind",
	"event":     "Whether a change is an event in the journal. Always so for di and bitstring; empty: not for the others",
	"low":       "Low end of the engineering range. Empty: none",
	"high":      "High end of it. Empty: none",
	"select":    "`device`: a direct command is selected and executed at the device; `required`: it is refused. Empty: as it was asked for",
	"qualifier": "QU of a do, QL of an ao. Empty: as it was asked for",
	"state":     "Number of the di of this table that shows what the control has done; needed with `confirm: state`. Empty: none does",
	"chatter":   "From when on the point chatters. Empty: as the RTU's `chatter` says",
	"bit":       "The point is a bit of its object, counted from 0: of 16 of M_PS_NA_1, 32 of M_BO, 6 of M_EP_TE_1, 4 of M_EP_TF_1. Empty: the object is the point's alone",
	"transient": "Double points: how long 00 or 11 may last before it is told. Empty: it is told at once",
}

var uplinkColumns = map[string]string{
	"ioa":   "Information object address for the control centre, once within the table in its direction",
	"rtu":   "Number of the RTU, or of a virtual one",
	"kind":  "Kind of the point",
	"point": "Number of the point",
	"type":  "Type identification as which it is told or operated",
	"name":  "For people. Empty: the point's own",
}

var virtualColumns = map[string]string{
	"rtu":    "Number of a virtual RTU, which no real one has",
	"point":  "Number of the point, a di",
	"name":   "For people",
	"source": "What it shows: [ACQUISITION.md](ACQUISITION.md#virtual-points)",
}
