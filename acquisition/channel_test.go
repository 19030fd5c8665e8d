package acquisition

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/transcript"
)

// Each transcript is a story: "at TIME, something happens", then what the sequencer does about it, and the states of the
// links when they change.
func TestChannelTranscripts(t *testing.T) {
	transcript.Play(t, "testdata/channel/*.txt", func(t *testing.T) func(string) (string, error) {
		st := &story{t: t}
		return st.tell
	})
}

// story is a sequencer and what happens to it.
type story struct {
	t      *testing.T
	s      *sequencer
	states string
	now    time.Duration
}

// tell goes on with the story by a line, and says what that brings about.
func (st *story) tell(line string) (string, error) {
	var out strings.Builder
	words := strings.Fields(line)
	if words[0] == "rtu" {
		st.s = readSequencer(st.t, words[1:])
		st.s.tick(0)
	} else {
		at, err := time.ParseDuration(words[1])
		if err != nil || at < st.now {
			return "", fmt.Errorf("bad time: %v", err)
		}
		// What is due on the way happens on the way.
		for {
			due, ok := st.s.deadline(st.now)
			if !ok || due > at {
				break
			}
			st.now = max(st.now, due)
			st.s.tick(st.now)
			if a := actions(st.s); a != "" && due < at {
				fmt.Fprintf(&out, "%v: %s\n", due, a)
			} else if a != "" {
				fmt.Fprintln(&out, a)
			}
		}
		st.now = at
		tell(st.t, st.s, st.now, words[2:])
	}
	if a := actions(st.s); a != "" {
		fmt.Fprintln(&out, a)
	}
	if n := st.s.takeQuieted(); n > 0 {
		fmt.Fprintf(&out, "%d left alone\n", n)
	}
	if now := describeStates(st.s, st.now); now != st.states {
		st.states = now
		fmt.Fprintf(&out, "= %s\n", now)
	}
	return out.String(), nil
}

// readSequencer reads "channels=1,4 probe=hold retry=5s all-active=2".
func readSequencer(t *testing.T, words []string) *sequencer {
	t.Helper()
	var channels []Channel
	probe, retry := ProbeConnect, 5*time.Second
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "channels":
			for n := range strings.SplitSeq(value, ",") {
				links, err := strconv.Atoi(n)
				if err != nil {
					t.Fatal(err)
				}
				channels = append(channels, Channel{Links: make([]string, links)})
			}
		case "all-active":
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			channels[n-1].Mode = AllActive
		case "probe":
			probe = map[string]Probe{"connect": ProbeConnect, "hold": ProbeHold, "off": ProbeOff}[value]
		case "retry":
			var err error
			if retry, err = time.ParseDuration(value); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatalf("what is %q?", w)
		}
	}
	return newSequencer(channels, retry, probe, 0)
}

func tell(t *testing.T, s *sequencer, now time.Duration, words []string) {
	t.Helper()
	var k linkKey
	if len(words) > 1 {
		if _, err := fmt.Sscanf(words[1], "%d:%d", &k.channel, &k.link); err != nil {
			t.Fatalf("%q: %v", words, err)
		}
		k.channel--
		k.link--
	}
	if len(words) == 0 {
		s.tick(now)
		return
	}
	switch words[0] {
	case "own":
		s.own(now, true)
	case "disown":
		s.own(now, false)
	case "connected":
		s.connected(now, k)
	case "started":
		s.started(now, k)
	case "waiting":
		s.waiting(now, k)
	case "lost":
		s.lost(now, k)
	case "reachable":
		s.checked(now, k, true)
	case "unreachable":
		s.checked(now, k, false)
	case "peer-active":
		s.peer(now, true, false)
	case "doubt":
		s.doubt(k, true)
	case "alive":
		s.doubt(k, false)
	case "examine":
		s.examine(now)
	case "peer-lost":
		s.peer(now, false, true)
	default:
		t.Fatalf("what is %q?", words)
	}
}

func actions(s *sequencer) string {
	verbs := map[verb]string{dialLink: "dial", startLink: "start", closeLink: "close", checkLink: "check"}
	var words []string
	for _, a := range s.takeActions() {
		words = append(words, fmt.Sprintf("%s %d:%d", verbs[a.verb], a.channel+1, a.link+1))
	}
	return strings.Join(words, ", ")
}

func describeStates(s *sequencer, now time.Duration) string {
	var words []string
	for c, states := range s.links {
		for l := range states {
			word := fmt.Sprintf("%d:%d %v", c+1, l+1, fsm.LinkState(s.state(now, linkKey{c, l})))
			if states[l].doubted {
				word += "?"
			}
			words = append(words, word)
		}
	}
	return strings.Join(words, ", ")
}

// Whatever the links do, and whenever: one connection to a link at most, nothing started without ownership, one channel
// in use, one link of it started unless all are to be, and a link that works is started sooner or later.
func TestChannelProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var channels []Channel
		for range rapid.IntRange(1, 3).Draw(t, "channels") {
			channels = append(channels, Channel{
				Links: make([]string, rapid.IntRange(1, 3).Draw(t, "links")),
				Mode:  rapid.SampledFrom([]LinkMode{OneActive, AllActive}).Draw(t, "mode"),
			})
		}
		probe := rapid.SampledFrom([]Probe{ProbeConnect, ProbeHold, ProbeOff}).Draw(t, "probe")
		w := &world{T: t, sequencer: newSequencer(channels, 5*time.Second, probe, 0), conns: map[linkKey]verb{}}
		w.tick(0)
		w.obey()
		t.Repeat(map[string]func(*rapid.T){
			"own":    func(t *rapid.T) { w.own(w.now, rapid.Bool().Draw(t, "owner")) },
			"answer": w.answer,
			"break":  w.breakLink,
			"wait":   w.wait,
			"peer": func(t *rapid.T) {
				w.peer(w.now, rapid.Bool().Draw(t, "active"), rapid.Bool().Draw(t, "lost"))
			},
			"pass": func(t *rapid.T) {
				w.now += time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "time"))
				w.tick(w.now)
			},
			"": func(*rapid.T) { w.obey() },
		})
		w.live()
	})
}

// world plays the links: it holds every action against what is connected.
type world struct {
	*rapid.T
	*sequencer
	now   time.Duration
	conns map[linkKey]verb // last action on each link that has a connection, or one under way
	open  []linkKey        // actions that are not answered yet; startLink's only while the link is there
}

func (w *world) obey() {
	for _, a := range w.takeActions() {
		was, there := w.conns[a.linkKey]
		switch a.verb {
		case dialLink, checkLink:
			if there {
				w.Fatalf("%v: second connection to %v, after %v", a.verb, a.linkKey, was)
			}
		case startLink:
			if was != dialLink || slices.Contains(w.open, a.linkKey) {
				w.Fatalf("start of %v, which isn't connected", a.linkKey)
			}
			if !w.owner {
				w.Fatalf("start of %v without ownership", a.linkKey)
			}
		case closeLink:
			if !there || was == closeLink || was == checkLink {
				w.Fatalf("close of %v after %v", a.linkKey, was)
			}
		}
		w.conns[a.linkKey] = a.verb
		if !slices.Contains(w.open, a.linkKey) {
			w.open = append(w.open, a.linkKey)
		}
	}
	used := -1
	for c, states := range w.links {
		n := 0
		for i := range states {
			if conn := states[i].conn; conn == starting && !states[i].unconfirmed || conn == started {
				n++
			}
		}
		if n == 0 {
			continue
		}
		if !w.owner || used >= 0 || n > 1 && w.modes[c] == OneActive {
			w.Fatalf("owner %v: %d links of channel %d are started, channel %d is in use too", w.owner, n, c, used)
		}
		used = c
	}
	for _, states := range w.links {
		for i := range states {
			if l := &states[i]; l.unconfirmed && (l.conn != starting || !w.owner) {
				w.Fatalf("waiting for a link that is %d, owner %v", l.conn, w.owner)
			}
		}
	}
}

func (w *world) answer(t *rapid.T) {
	if len(w.open) == 0 {
		t.Skip()
	}
	i := rapid.IntRange(0, len(w.open)-1).Draw(t, "which")
	w.reply(i, rapid.Bool().Draw(t, "good"))
}

func (w *world) reply(i int, good bool) {
	k := w.open[i]
	w.open = slices.Delete(w.open, i, i+1)
	switch v := w.conns[k]; {
	case v == checkLink:
		delete(w.conns, k)
		w.checked(w.now, k, good)
	case v == dialLink && good:
		w.connected(w.now, k)
	case v == startLink && good:
		w.started(w.now, k)
	default:
		delete(w.conns, k)
		w.lost(w.now, k)
	}
}

// wait has a link not confirm STARTDT for a while.
func (w *world) wait(t *rapid.T) {
	for _, k := range w.open {
		if w.conns[k] == startLink {
			w.waiting(w.now, k)
			return
		}
	}
}

// breakLink loses a connection out of the blue.
func (w *world) breakLink(t *rapid.T) {
	for k, v := range w.conns {
		if v == checkLink || slices.Contains(w.open, k) && v == dialLink {
			continue
		}
		if rapid.Bool().Draw(t, "break") {
			w.open = slices.DeleteFunc(w.open, func(o linkKey) bool { return o == k })
			delete(w.conns, k)
			w.lost(w.now, k)
			return
		}
	}
}

// live heals one link and waits: it must be started in the end, and nothing else be tried all the time.
func (w *world) live() {
	good := linkKey{rapid.IntRange(0, len(w.links)-1).Draw(w.T, "good channel"), 0}
	for k, v := range w.conns { // all others fail for good
		if k != good && v != checkLink && !slices.Contains(w.open, k) {
			delete(w.conns, k)
			w.lost(w.now, k)
			w.obey()
		}
	}
	w.own(w.now, true)
	w.obey()
	tries := 0
	for end := w.now + time.Hour; w.now < end; {
		for len(w.open) > 0 {
			w.reply(0, w.open[0] == good)
			w.obey()
			tries++
		}
		if w.link(good).conn == started {
			return
		}
		due, ok := w.deadline(w.now)
		if !ok {
			break
		}
		w.now = max(w.now, due)
		w.tick(w.now)
		w.obey()
		if tries > 5000 {
			w.Fatalf("%d attempts within %v", tries, w.now)
		}
	}
	w.Fatalf("%v works and was never started", good)
}

// The policy moves an RTU whose owner reports all links down: only what was tried may be.
func TestUntriedIsNotDown(t *testing.T) {
	s := newSequencer([]Channel{{Links: []string{"a"}}, {Links: []string{"b"}}}, time.Second, ProbeConnect, 0)
	for c := range 2 {
		s.checked(0, linkKey{c, 0}, false)
	}
	s.own(time.Second, true)
	for c := range 2 {
		if got := s.state(time.Second, linkKey{c, 0}); got != fsmpb.LinkState_CONNECTING {
			t.Errorf("channel %d is %v before the new owner has tried it", c+1, got)
		}
	}
}
