package core

import (
	"fmt"
	"testing"

	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/internal/transcript"
)

// TestTranscripts plays each file of testdata.
//
//	centre ID LEVEL [unicast] [others ID]   a centre of three nodes: node1 leads
//	station ID [key=value ...]              not running yet: cn, name, level, address, instance, epoch, centres, node,
//	                                          unicast; where two have one id, commands take the name; keeps=DURATION:
//	                                          it acknowledges what the group has kept, which takes so long, and is given
//	                                          the next epoch of its ownership when it starts
//	start|crash|leave|lose-file|deaf ID     of a station
//	send ID TO SIZE|TEXT [ordered]          a message
//	use ID                                  of several centres, the one that commands are about; at first the first
//	elect NODE|none · pause|resume|kill|restart NODE
//	run DURATION · skip DURATION            let time pass; or let nobody notice that it passes
//	show KIND ... · show                    which datagrams to print from now on
//	drop KIND N                             lose the next N datagrams of a kind; 0: no more
//	cut A B · mend                          nothing passes between two: station IDs or nodes
//	replay KIND ID [to ID]                  send once more the last datagram of a kind from a station or node
//	garbage NODE · wrong-key NODE           send what is no datagram, or is not of this network
//	table · copy ID · stats NODE · status ID
//	forget N                                the centre loses its last N commits
//	commit DURATION                         how long proposals take from now on
func TestTranscripts(t *testing.T) {
	transcript.Play(t, "testdata/*.txt", func(t *testing.T) func(string) (string, error) { return newPlayer(t).act })
}

// shortly tells what matters of a body and is not drawn by chance.
func shortly(b wire.Body) string {
	switch b := b.(type) {
	case wire.Register:
		return fmt.Sprintf(" cn %d, copy to version %d%s", b.CN, b.Floor, when(b.Unicast, ", unicast"))
	case wire.Answer:
		return fmt.Sprintf(" %s, cn %d, version %d%s", b.Outcome, b.CN, b.Version, when(b.Centre.IsValid(), ", see "+b.Centre.String()))
	case wire.Table:
		text := fmt.Sprintf(" (%d, %d] of %d%s:", b.Page.From, b.Page.To, b.Page.Version, when(b.Confirm, ", confirm"))
		if n := len(b.Page.Entries); n > 4 {
			return text + fmt.Sprintf(" %d entries, %d to %d", n, b.Page.Entries[0].CN, b.Page.Entries[n-1].CN)
		}
		for _, e := range b.Page.Entries {
			text += fmt.Sprintf(" %d=%s", e.CN, entryText(e))
		}
		return text
	case wire.Ask:
		return fmt.Sprintf(" has %d, misses %v", b.Floor, b.Missing)
	case wire.Data:
		return fmt.Sprintf(" %s seq %d base %d, %d of %d", b.Stream, b.Seq, b.Base, b.Index, b.Count())
	case wire.Hello:
		return when(b.Remembers, " remembers")
	case wire.Ack:
		return fmt.Sprintf(" %s seq %d, %b%s", b.Stream, b.Seq, b.Fragments, when(b.Delivered, ", delivered"))
	}
	return ""
}

func entryText(e chantable.Entry) string {
	if e.ID == 0 {
		return "empty"
	}
	return fmt.Sprintf("id %d %s%s", e.ID, map[bool]string{true: "on", false: "off"}[e.Online], when(e.Contested, " contested"))
}
