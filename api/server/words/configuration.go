package words

import (
	"regexp"
	"strings"
)

// What a change of the configuration says, piece by piece. The state keeps versions' changes as English lines, so they are
// turned into Chinese when they are read.
var changePieces = []struct {
	english *regexp.Regexp
	chinese string
}{
	{regexp.MustCompile(`^uplink (.+)$`), "上送 $1"},
	{regexp.MustCompile(`^virtual points$`), "虚拟点"},
	{regexp.MustCompile(`^journal$`), "日志"},
	{regexp.MustCompile(`^trend$`), "遥测曲线"},
	{regexp.MustCompile(`^(\S+) at one in (\S+) → (\S+) at one in (\S+)$`), "$1（每 $2 一次）→ $3（每 $4 一次）"},
	{regexp.MustCompile(`^(\d+) points? added$`), "新增 $1 个点"},
	{regexp.MustCompile(`^(\d+) points? changed$`), "更改 $1 个点"},
	{regexp.MustCompile(`^(\d+) points? removed$`), "删除 $1 个点"},
	{regexp.MustCompile(`^(\d+) points?$`), "$1 个点"},
	{regexp.MustCompile(`^and (\d+) more$`), "另有 $1 项"},
	{regexp.MustCompile(`^link (\S+) on (\S+) \(active\)$`), "$2 的链路 $1（主用）"},
	{regexp.MustCompile(`^link (\S+) on (\S+) \(standby\)$`), "$2 的链路 $1（备用）"},
	{regexp.MustCompile(`^client (\S+) on (\S+) \(.*\)$`), "$2 的客户端 $1"},
}

var changeLine = regexp.MustCompile(`^(.+?) (added|removed|changed)(?:: (.*))?$`)

var changeHow = map[string]string{"added": "新增", "removed": "删除", "changed": "更改"}

// ConfigChange says in Chinese what a change of the configuration is: RTU 7 changed: retry, 3 points added. The keys of
// station.yaml stay as they are.
func ConfigChange(line string) string {
	m := changeLine.FindStringSubmatch(line)
	if m == nil {
		return changePiece(line)
	}
	text := changeHow[m[2]] + " " + changePiece(m[1])
	if m[3] == "" {
		return text
	}
	var pieces []string
	for piece := range strings.SplitSeq(m[3], ", ") {
		pieces = append(pieces, changePiece(piece))
	}
	return text + "：" + strings.Join(pieces, "、")
}

// ConfigChanges is ConfigChange for each line.
func ConfigChanges(lines []string) []string {
	list := make([]string, len(lines))
	for i, line := range lines {
		list[i] = ConfigChange(line)
	}
	return list
}

func changePiece(text string) string {
	for _, p := range changePieces {
		if p.english.MatchString(text) {
			return p.english.ReplaceAllString(text, p.chinese)
		}
	}
	return text
}
