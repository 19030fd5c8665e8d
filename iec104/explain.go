package iec104

// Explain puts a frame into one line of words, for traces. What cannot be decoded is said to be so.
func Explain(p Profile, frame []byte) string {
	return ""
}
