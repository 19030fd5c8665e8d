package iec104

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if objects := os.Getenv(benchServer); objects != "" {
		runBenchServer(objects)
		return
	}
	goleak.VerifyTestMain(m)
}
