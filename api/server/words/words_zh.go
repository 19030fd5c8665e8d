package words

// chinese says in Chinese what words.go says in English. Places may stand in another order: %[2]s.
var chinese = language{
	"%s: released by %s":                                "%s：由 %s 释放",
	"%s: owned by %s now, was nobody's":                 "%s：现由 %s 主用，此前无主用",
	"%s: owned by %s now, was %s's":                     "%s：现由 %s 主用，此前为 %s",
	"%s: to move from %s to %s":                         "%s：从 %s 移到 %s",
	"%s: %s is at work":                                 "%s：%s 已投入工作",
	"%s: no longer pinned to %s":                        "%s：不再固定在 %s",
	"%s: pinned to %s":                                  "%s：固定在 %s",
	"node %s: started again":                            "节点 %s：已重新启动",
	"node %s: stops, and gives away what it owns first": "节点 %s：正在停止，先移交其负责的资源",
	"node %s: maintenance ended":                        "节点 %s：检修结束",
	"node %s: maintenance begun":                        "节点 %s：检修开始",
	"node %s: alive":                                    "节点 %s：在线",
	"node %s: DEAD":                                     "节点 %s：失效",
	"%s: online":                                        "%s：上线",
	"%s: OFFLINE":                                       "%s：离线",
	"%s: has caught up, %d events were dropped":         "%s：已追上，共丢弃 %d 条事件",
	"%s: EVENTS DROPPED, %d so far":                     "%s：事件被丢弃，至今 %d 条",
	"another configuration is in force: %s":             "另一份配置已生效：%s",
	"control %s to %s by %s: %s":                        "遥控 %s 为 %s，来自 %s：%s",
	", on %s":                                           "，经 %s",
	"REFUSED to %s: %s":                                 "已拒绝 %s：%s",
	", %d times":                                        "，%d 次",
	"%s: no longer so: %s":                              "%s：已恢复：%s",
	"%s: acknowledged":                                  "%s：已确认",
	", %s after %d ms":                                  "，%s %d 毫秒",
	"released":                                          "解除",
	" by %s":                                            "，操作者 %s",

	// values and qualities
	"on": "合", "off": "分", "in between": "中间态", "indeterminate": "不确定", "on its way": "变位中", "none": "无",
	"general start": "总启动", "start L1": "L1 启动", "start L2": "L2 启动", "start L3": "L3 启动",
	"start of earth current": "接地电流启动", "start in reverse direction": "反方向启动",
	"general command": "总命令", "command L1": "L1 命令", "command L2": "L2 命令", "command L3": "L3 命令",
	"invalid": "无效", "not topical": "非当前", "substituted": "取代", "blocked": "闭锁", "overflow": "溢出",
	"adjusted": "已调整", "overflowed": "已溢出", "elapsed time invalid": "动作时间无效", "higher": "升", "lower": "降",

	// stages, severities, phases and reasons
	"submitted": "已提交", "executing": "执行中", "confirmed": "设备已确认", "done": "结束", "ok": "成功", "FAILED": "失败",
	"alarm": "告警", "warning": "警告", "somebody": "来源不明",
	"detected": "发现", "elected": "选出领导者", "leased": "租约到期", "connected": "连上", "first data": "首个数据",
	"manual": "人工", "start": "启动", "owner lost": "主用失效", "no link": "通道全断", "claimed": "认领", "resumed": "恢复",
	"no quorum": "失去多数派", "deadline": "超时", "dead": "失效", "wrong password": "密码错误", "too many": "次数过多",
	"login": "登录", "control": "遥控", "trace": "查看报文",
}
