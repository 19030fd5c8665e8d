package condition

import "time"

// What is wrong towards the control centres and other readers of the journal.
var (
	ClientCommonAddress = define(Kind{
		Name: "client_common_address", Resource: "uplink/NAME/GROUP", Severity: Alarm, Scope: Node,
		Params: []string{"client", "got", "want"}, Hold: time.Hour,
		Text: Words{
			"client {client} asks for common address {got}, {want} is this uplink's: {count} requests refused",
			"主站 {client} 请求公共地址 {got}，本上行为 {want}：已拒绝 {count} 个请求",
		},
		Advice: Words{
			"correct common_address of the uplink, or the control centre's",
			"更正该上行的 common_address，或主站设置",
		},
	})
	NoClient = define(Kind{
		Name: "no_client", Resource: "uplink/NAME/GROUP", Severity: Alarm, Scope: Leader,
		Text: Words{
			"no control centre is connected and started: events wait in the journal",
			"没有主站连接并启动：事件在日志中等待",
		},
		Advice: Words{
			"check the path to the control centre, and that its address is among the group's clients",
			"检查到主站的通路，以及其地址是否在该组的 clients 之内",
		},
	})
	OneLink = define(Kind{
		Name: "one_link", Resource: "uplink/NAME/GROUP", Severity: Warning, Scope: Leader,
		Params: []string{"node"},
		Text: Words{
			"the control centre has a link to {node} only",
			"主站仅与 {node} 有链路",
		},
		Advice: Words{
			"without a standby link a failover waits for it to connect: check its path to the other FEP",
			"没有备用链路时，切换需等待其重新连接：检查其到另一前置机的通路",
		},
	})
	Retention = define(Kind{
		Name: "retention", Resource: "uplink/NAME/GROUP", Severity: Warning, Scope: Leader,
		Params: []string{"backlog", "retain"},
		Text: Words{
			"{backlog} events wait for the control centre, {retain} are kept: the oldest will be dropped",
			"有 {backlog} 个事件等待主站，最多保留 {retain} 个：最旧的将被丢弃",
		},
		Advice: Words{
			"bring the control centre back, or raise journal.retain",
			"恢复主站，或增大 journal.retain",
		},
	})
	Dropped = define(Kind{
		Name: "dropped", Resource: "uplink/NAME/GROUP", Severity: Alarm, Scope: Leader,
		Text: Words{
			"{count} events were dropped before the control centre had them",
			"有 {count} 个事件在主站收到前被丢弃",
		},
		Advice: Words{
			"bring the control centre back and have it interrogate; what was lost is in `fepha event list` if it's still kept",
			"恢复主站并令其总召唤；若仍保留，可在 `fepha event list` 中查看",
		},
	})
	ClientWindow = define(Kind{
		Name: "client_window", Resource: "uplink/NAME/GROUP", Severity: Warning, Scope: Node,
		Params: []string{"k", "seconds", "client", "parameter"}, Hold: time.Hour,
		Text: Words{
			"window of {k} closed for {seconds} s by {client}: {parameter}",
			"发送窗口 {k} 被 {client} 关闭 {seconds} 秒：{parameter}",
		},
		Advice: Words{
			"make the control centre's w at most two thirds of k here, and its t2 less than t1 (IEC 60870-5-104, 5.5 and 9.6)",
			"将主站 w 设为不大于本端 k 的三分之二，其 t2 小于 t1（IEC 60870-5-104，5.5 与 9.6）",
		},
	})
	ClientTimer = define(Kind{
		Name: "client_timer", Resource: "uplink/NAME/GROUP", Severity: Warning, Scope: Node,
		Params: []string{"seconds", "client", "parameter"}, Hold: time.Hour,
		Text: Words{
			"a frame was not acknowledged for {seconds} s by {client}, though it was heard: {parameter}; {count} links ended by that",
			"帧 {seconds} 秒未被 {client} 确认，而其有响应：{parameter}；因此断开 {count} 次",
		},
		Advice: Words{
			"make the control centre's t2 less than the uplink's t1 (IEC 60870-5-104, 9.6)",
			"将主站的 t2 设为小于该上行的 t1（IEC 60870-5-104，9.6）",
		},
	})
	TwoCentres = define(Kind{
		Name: "two_centres", Resource: "uplink/NAME/GROUP", Severity: Alarm, Scope: Node,
		Params: []string{"first", "second"}, Hold: 10 * time.Minute,
		Text: Words{
			"{first} and {second} keep taking the group's link from each other",
			"{first} 与 {second} 不断互相抢占该组的链路",
		},
		Advice: Words{
			"a group is one control centre: give the other one a group of its own",
			"一个组对应一个主站：请为另一个主站单独设组",
		},
	})
)
