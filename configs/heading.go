package configs

import (
	"strings"

	"github.com/fepha/fepha/fsm"
)

// Headings and words of tables as they are written in Chinese.
var (
	headings = map[string]string{
		"点号": "point", "点序号": "point", "信息体地址": "ioa", "信息对象地址": "ioa", "名称": "name", "点名": "name",
		"点类型": "kind", "种类": "kind", "类型": "type", "类型标识": "type",
		"死区": "deadband", "系数": "scale", "比例系数": "scale", "偏移": "offset", "偏移量": "offset", "单位": "unit",
		"取反": "invert", "类别": "category", "事件": "event", "下限": "low", "上限": "high",
		"选择": "select", "限定词": "qualifier", "状态点": "state", "位": "bit", "位号": "bit", "过渡": "transient", "过渡时间": "transient",
		"rtu号": "rtu", "装置号": "rtu", "数据源": "source", "来源": "source",
	}
	kindWords = map[string]fsm.Kind{
		"遥信": fsm.DI, "遥测": fsm.AI, "遥脉": fsm.Counter, "电度": fsm.Counter, "位串": fsm.Bitstring, "比特串": fsm.Bitstring, "遥控": fsm.DO, "遥调": fsm.AO,
	}
	boolWords = map[string]bool{"是": true, "否": false}
)

// Heading is a column's name as the formats know it, whether it's written in English or in Chinese.
func Heading(text string) string {
	name := strings.ToLower(folded(text))
	if known, ok := headings[name]; ok {
		return known
	}
	return name
}

// Plain is a field as the tables have it: a kind that is written in Chinese becomes its word, all else stays.
func Plain(column, text string) string {
	if kind, ok := kindWords[folded(text)]; ok && column == "kind" {
		return kind.String()
	}
	return text
}
