package api

// Stray is an ASDU of a device of which something could not be taken over.
type Stray struct {
	Number uint64 `json:"number"`  // from 1 for each RTU, with gaps where more came than are kept
	TimeMs int64  `json:"time_ms"` // when it was received, ms since 1970-01-01 UTC
	Reason string `json:"reason"`  // what is wrong with it, for people
	ASDU   string `json:"asdu"`    // its octets in hex
}

// StrayList is an RTU's strays.
type StrayList struct {
	Total  uint64  `json:"total"`  // that there ever were
	Strays []Stray `json:"strays"` // the newest first
}

// File is a copy of a file that a device has, such as a disturbance record.
type File struct {
	Name      string `json:"name"`       // object address and NOF, such as 30001.2
	Address   uint32 `json:"address"`    // of the object
	NOF       uint16 `json:"nof"`        // 1 transparent, 2 disturbance data, 3 sequence of events, 4 recorded analogue values (101, clause 7.2.6.33)
	Length    uint32 `json:"length"`     // octets
	Time      string `json:"time"`       // when the device made it, by its clock, in the station's zone: 2006-01-02 15:04:05.000
	SHA256    string `json:"sha256"`     // of the content, in hexadecimal digits
	FetchedMs int64  `json:"fetched_ms"` // when it had come, ms since 1970-01-01 UTC
	Node      string `json:"node"`       // the FEP that fetched it
}

// FileList are the copies of an RTU's files that the node has that was asked.
type FileList struct {
	Node  string `json:"node"`
	Files []File `json:"files"` // by address and NOF
}

// FileSum is the header that has a file's SHA-256, in hexadecimal digits.
const FileSum = "Fepha-File-Sha256"
