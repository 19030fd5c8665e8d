package sim

import (
	"bytes"
	_ "embed"
)

// demoCapture is a session with time-tagged single points, float measurands
// and an interrogation; captures/SOURCES.md tells where it is from.
//
//go:embed captures/iti_090813_diverse.pcap
var demoCapture []byte

// DemoRecording is a recorded session that is always at hand.
func DemoRecording() (Recording, error) {
	recs, err := ReadCapture(bytes.NewReader(demoCapture))
	if err != nil {
		return Recording{}, err
	}
	return recs[0], nil
}
