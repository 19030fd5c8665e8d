package words

import "testing"

func TestConfigChangesInChinese(t *testing.T) {
	for english, want := range map[string]string{
		"RTU 7 added: 12 points": "新增 RTU 7：12 个点",
		"RTU 7 removed: 1 point": "删除 RTU 7：1 个点",
		"RTU 7 changed: name, retry, 3 points added, 1 point changed, 2 points removed": "更改 RTU 7：name、retry、新增 3 个点、更改 1 个点、删除 2 个点",
		"RTU 7 changed":                                     "更改 RTU 7",
		"uplink occ changed: mode":                          "更改 上送 occ：mode",
		"virtual points changed: 1 point added":             "更改 虚拟点：新增 1 个点",
		"journal changed: retain 1000 → 2000":               "更改 日志：retain 1000 → 2000",
		"trend changed: 1h at one in 1s → 6h at one in 10s": "更改 遥测曲线：1h（每 1s 一次）→ 6h（每 10s 一次）",
		"and 5 more":                           "另有 5 项",
		"link 1:2 on fep1 (active)":            "fep1 的链路 1:2（主用）",
		"link 1:2 on fep2 (standby)":           "fep2 的链路 1:2（备用）",
		"client 10.0.0.5:50122 on fep1 (main)": "fep1 的客户端 10.0.0.5:50122",
		"what a later version may have to say": "what a later version may have to say",
	} {
		if got := ConfigChange(english); got != want {
			t.Errorf("%s: %s, want %s", english, got, want)
		}
	}
}
