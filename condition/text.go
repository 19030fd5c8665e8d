package condition

import (
	"strconv"
	"strings"

	"github.com/fepha/fepha/internal/plain"
)

// Say puts a report's values into the sentences of its kind. Of a kind that this build doesn't know, another build's, it
// says what it can.
func Say(kind string, values []string, count uint64) (text, advice Words) {
	k, ok := Find(kind)
	if !ok {
		said := kind
		if len(values) > 0 {
			said += ": " + plain.Line(strings.Join(values, ", "))
		}
		return Words{said, said}, Words{
			"this build has no words for it: ask a node of the build that reports it",
			"本版本不认识此状况：请查看报告它的节点所用的版本",
		}
	}
	n := strconv.FormatUint(count, 10)
	en, zh := []string{"{count}", n}, []string{"{count}", n}
	for i, name := range k.Params {
		value := Words{"?", "?"}
		if i < len(values) {
			value = term(plain.Line(values[i])) // some are what others have said
		}
		en, zh = append(en, "{"+name+"}", value.EN), append(zh, "{"+name+"}", value.ZH)
	}
	fillEN, fillZH := strings.NewReplacer(en...), strings.NewReplacer(zh...)
	return Words{fillEN.Replace(k.Text.EN), fillZH.Replace(k.Text.ZH)}, Words{fillEN.Replace(k.Advice.EN), fillZH.Replace(k.Advice.ZH)}
}

// Values that are words of the catalogue: the state has the key.
const (
	Interrogation        = "interrogation"
	CounterInterrogation = "counter_interrogation"
	LargeW               = "w_larger_than_k"
	LargeT2              = "t2_not_less_than_t1"
	FullDisk             = "full_disk"
	Panic                = "panic"
	Watchdog             = "watchdog"
	Killed               = "killed"
)

// BrokenRule is the word for what a peer does that would have been tolerated by that name.
func BrokenRule(tolerated string) string { return "breaks:" + tolerated }

var terms = map[string]Words{
	Interrogation:                {"the interrogation", "总召唤"},
	CounterInterrogation:         {"the counter interrogation", "电能量召唤"},
	LargeW:                       {"its w is larger than our k", "其 w 大于本端 k"},
	LargeT2:                      {"its t2 is longer than our t1", "其 t2 长于本端 t1"},
	FullDisk:                     {"the disk was full", "磁盘已满"},
	Panic:                        {"a fault of the program", "程序故障"},
	Watchdog:                     {"it was stuck, and ended itself", "程序卡死，已自行退出"},
	BrokenRule("early-data"):     {"it sends data before it has confirmed STARTDT (early-data)", "在确认 STARTDT 之前发送数据（early-data）"},
	BrokenRule("odd-frames"):     {"it sends frames with control bits that no rule knows (odd-frames)", "发送控制位不合规的帧（odd-frames）"},
	BrokenRule("stopped-frames"): {"it sends I- or S-frames on a stopped link (stopped-frames)", "在停止状态的链路上发送 I 帧或 S 帧（stopped-frames）"},
	Killed:                       {"it left no reason behind: killed, or the power failed", "未留下原因：被强制结束或断电"},
}

// term is a value in both languages: a word of the catalogue, or one with more behind a colon, or whatever it is.
func term(value string) Words {
	if w, ok := terms[value]; ok {
		return w
	}
	if key, rest, ok := strings.Cut(value, ": "); ok {
		if w, ok := terms[key]; ok {
			return Words{w.EN + ": " + rest, w.ZH + "：" + rest}
		}
	}
	return Words{value, value}
}

// Unknown is what is added to a sentence that was true when node said so, and is not known any more.
func Unknown(node string) Words {
	return Words{
		"as " + node + " said last; it isn't known any more",
		"此为 " + node + " 最后的报告，现状未知",
	}
}

// Untold is what is added to a sentence that node alone knows, as it could not be committed yet.
func Untold(node string) Words {
	return Words{"as " + node + " sees it; the others haven't been told", "仅 " + node + " 所见，尚未通知其他节点"}
}
