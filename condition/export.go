package condition

// What is wrong with exports.
var (
	ExportUnreachable = define(Kind{
		Name: "export_unreachable", Resource: "export/NAME", Severity: Warning, Scope: Leader,
		Params: []string{"why"},
		Text: Words{
			"no FEP can bring records into the target: {why}",
			"两台前置机均无法写入目标：{why}",
		},
		Advice: Words{
			"bring the target or the path to it back; the export then goes on where it stood",
			"恢复目标或到目标的通路；之后导出从中断处继续",
		},
	})
	ExportBehind = define(Kind{
		Name: "export_behind", Resource: "export/NAME", Severity: Warning, Scope: Owner,
		Params: []string{"since", "why"},
		Text: Words{
			"{count} records wait, since {since}: {why}",
			"自 {since} 起有 {count} 条记录等待导出：{why}",
		},
		Advice: Words{
			"see what the target says; what the journal drops before it was exported is lost to the target",
			"查看目标的状态；日志在导出之前丢弃的记录将不会到达目标",
		},
	})
	ExportDropped = define(Kind{
		Name: "export_dropped", Resource: "export/NAME", Severity: Alarm, Scope: Leader,
		Text: Words{
			"{count} records were dropped before the target had them",
			"有 {count} 条记录在到达目标之前被丢弃",
		},
		Advice: Words{
			"bring the target back, or raise journal.retain; the condition ends when the target has what came after them",
			"恢复目标，或增大 journal.retain；目标收到其后的记录时该状态结束",
		},
	})
	ExportPaused = define(Kind{
		Name: "export_paused", Resource: "export/NAME", Severity: Warning, Scope: Leader,
		Params: []string{"backlog"},
		Text: Words{
			"paused by an operator: {backlog} records wait",
			"已被操作员暂停：{backlog} 条记录等待",
		},
		Advice: Words{
			"`fepha export resume` when it may go on",
			"可继续时执行 `fepha export resume`",
		},
	})
)
