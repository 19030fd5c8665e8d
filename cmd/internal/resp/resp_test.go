package resp

import (
	"bufio"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestAppend(t *testing.T) {
	if got, want := string(Append(nil, "SET", "a", "")), "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRead(t *testing.T) {
	for text, want := range map[string]any{
		"+OK\r\n": "OK", ":7\r\n": int64(7), "$-1\r\n": nil, "$3\r\na\r\n\r\n": "a\r\n",
		"*3\r\n$1\r\na\r\n:2\r\n$-1\r\n": []any{"a", int64(2), nil}, "*0\r\n": []any{},
	} {
		if got, err := Read(bufio.NewReader(strings.NewReader(text))); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	if _, err := Read(bufio.NewReader(strings.NewReader("-NOAUTH no\r\n"))); err != Error("NOAUTH no") {
		t.Errorf("%v, want what the server refuses with", err)
	}
	for _, text := range []string{"\r\n", "x\r\n", "$x\r\n", "$99999999999\r\n", "*-2\r\n", "+OK\n"} {
		if got, err := Read(bufio.NewReader(strings.NewReader(text))); !errors.Is(err, errReply) {
			t.Errorf("%q: %v, %v, want an error", text, got, err)
		}
	}
	if got, err := Read(bufio.NewReader(strings.NewReader("$5\r\nab"))); err == nil {
		t.Errorf("half a reply is %v", got)
	}
}
