package core

// Stats counts what has happened since the start. All fields only grow.
type Stats struct {
	Received        uint64 `json:"received"`         // datagrams, of any kind
	Sent            uint64 `json:"sent"`             // datagrams
	Multicast       uint64 `json:"multicast"`        // datagrams sent to the group, among Sent
	MulticastOctets uint64 `json:"multicast_octets"` // of those, with IP and UDP headers
	Unsent          uint64 `json:"unsent"`           // datagrams that the system would not send
	Malformed       uint64 `json:"malformed"`        // not a datagram of this protocol
	WrongKey        uint64 `json:"wrong_key"`        // not authentic
	Replayed        uint64 `json:"replayed"`         // requests seen before
	NoContact       uint64 `json:"no_contact"`       // requests without a good contact, answered with an offer
	Stale           uint64 `json:"stale"`            // answers that were not, or no longer, waited for
	Misplaced       uint64 `json:"misplaced"`        // for another station, or of a kind that is not received here

	Resent       uint64 `json:"resent"`       // messages, by timeout
	Acknowledged uint64 `json:"acknowledged"` // messages sent
	Failed       uint64 `json:"failed"`       // messages sent
	Delivered    uint64 `json:"delivered"`    // messages received
	Duplicates   uint64 `json:"duplicates"`   // fragments of messages that had been delivered
	Overflow     uint64 `json:"overflow"`     // fragments for which there was no room
}
