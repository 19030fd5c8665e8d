package condition

// What an operator has done to a point.
var (
	Substituted = define(Kind{
		Name: "substituted", Resource: "point/RTU/KIND/POINT", Severity: Warning, Scope: Leader,
		Params: []string{"point", "by", "reason"},
		Text: Words{
			"{point} has a value given by hand, by {by}: {reason}",
			"{point} 由人工取代（置数），操作者 {by}：{reason}",
		},
		Advice: Words{
			"`fepha point release` when the device's own value is right again: it comes back then",
			"设备自身的值恢复正常后执行 `fepha point release`：届时恢复设备值",
		},
	})
	Blocked = define(Kind{
		Name: "blocked", Resource: "point/RTU/KIND/POINT", Severity: Warning, Scope: Leader,
		Params: []string{"point", "by", "reason"},
		Text: Words{
			"{point} is blocked by {by}, its changes are not passed on: {reason}",
			"{point} 已被 {by} 闭锁，其变化不再上送：{reason}",
		},
		Advice: Words{
			"`fepha point release` when the reason is gone: the device's value comes back then",
			"原因消除后执行 `fepha point release`：届时恢复设备值",
		},
	})
)
