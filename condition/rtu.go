package condition

import "time"

// What is wrong between an RTU and its table: data that goes nowhere.
var (
	CommonAddress = define(Kind{
		Name: "common_address", Resource: "rtu/N", Severity: Alarm, Scope: Owner,
		Params: []string{"got", "want"}, Hold: time.Hour,
		Text: Words{
			"device answers with common address {got}, {want} is configured: {count} ASDUs kept as strays",
			"设备以公共地址 {got} 应答，配置为 {want}：{count} 个 ASDU 存为无主数据",
		},
		Advice: Words{
			"correct common_address of the RTU, or the device; what came meanwhile is in `fepha rtu strays`",
			"更正该 RTU 的 common_address 或设备设置；期间收到的数据见 `fepha rtu strays`",
		},
	})
	UnknownAddress = define(Kind{
		Name: "unknown_address", Resource: "rtu/N", Severity: Warning, Scope: Owner,
		Params: []string{"example"}, Hold: time.Hour,
		Text: Words{
			"device sends object addresses that the table of points doesn't have, such as {example}: {count} objects kept as strays",
			"设备发送了点表中没有的信息对象地址，例如 {example}：{count} 个对象存为无主数据",
		},
		Advice: Words{
			"add the points to the RTU's table if they matter; `fepha rtu strays` lists them",
			"如需要，请将这些点加入该 RTU 的点表；清单见 `fepha rtu strays`",
		},
	})
	OtherType = define(Kind{
		Name: "other_type", Resource: "rtu/N", Severity: Warning, Scope: Owner,
		Params: []string{"example"}, Hold: time.Hour,
		Text: Words{
			"device sends other types than the table of points says, {example}: {count} objects kept as strays",
			"设备发送的类型与点表不符，{example}：{count} 个对象存为无主数据",
		},
		Advice: Words{
			"correct kind, type and ioa in the RTU's table, or the device",
			"更正该 RTU 点表中的 kind、type 和 ioa，或设备设置",
		},
	})
	NeverAnswered = define(Kind{
		Name: "never_answered", Resource: "rtu/N", Severity: Warning, Scope: Owner,
		Params: []string{"points", "example"},
		Text: Words{
			"{points} points of the table were never answered by the device, such as {example}",
			"点表中有 {points} 个点设备从未应答，例如 {example}",
		},
		Advice: Words{
			"`fepha rtu show N --points` lists them: correct their ioa, take them out of the table, or have the device answer them",
			"清单见 `fepha rtu show N --points`：更正其 ioa，从点表中删除，或让设备应答",
		},
	})
	NoLongerAnswered = define(Kind{
		Name: "no_longer_answered", Resource: "rtu/N", Severity: Warning, Scope: Owner,
		Params: []string{"points", "example"},
		Text: Words{
			"{points} points that the device used to answer were missing from its last interrogation, such as {example}",
			"设备曾应答的 {points} 个点在最近一次总召唤中缺失，例如 {example}",
		},
		Advice: Words{
			"`fepha rtu show N --points` lists them: has the device another configuration, or lost a module?",
			"清单见 `fepha rtu show N --points`：设备配置是否改变，或是否丢失模块？",
		},
	})
	NoUplink = define(Kind{
		Name: "no_uplink", Resource: "rtu/N", Severity: Warning, Scope: Leader,
		Params: []string{"points", "example"},
		Text: Words{
			"{points} points of the RTU are in no uplink's table, such as {example}: no control centre gets them",
			"该 RTU 有 {points} 个点不在任何上行点表中，例如 {example}：没有主站能收到",
		},
		Advice: Words{
			"add them to an uplink's table; acknowledge this if they are for this station alone",
			"将其加入上行点表；若仅供本站使用，请确认本条",
		},
	})
	UnknownType = define(Kind{
		Name: "unknown_type", Resource: "rtu/N", Severity: Warning, Scope: Owner,
		Params: []string{"example"}, Hold: time.Hour,
		Text: Words{
			"device sends types that aren't taken, {example}: {count} ASDUs kept as strays",
			"设备发送了不接收的类型，{example}：{count} 个 ASDU 存为无主数据",
		},
		Advice: Words{
			"have the device send monitored types of IEC 60870-5-104 (1 to 40), or switch these off",
			"请让设备发送 IEC 60870-5-104 的监视方向类型（1 至 40），或关闭这些类型",
		},
	})
)

// Unreadable is what a device sends that is no ASDU, or says by its cause that it is no data.
var Unreadable = define(Kind{
	Name: "unreadable", Resource: "rtu/N", Severity: Warning, Scope: Owner,
	Params: []string{"example"}, Hold: time.Hour,
	Text: Words{
		"device sends what can't be read as data, {example}: {count} ASDUs kept as strays",
		"设备发送了无法作为数据解读的内容，{example}：{count} 个 ASDU 存为无主数据",
	},
	Advice: Words{
		"compare cot_size, ca_size and ioa_size with the device's; `fepha rtu strays` shows the octets",
		"核对 cot_size、ca_size、ioa_size 与设备设置；报文内容见 `fepha rtu strays`",
	},
})

// TestData is what a device sends while it is tested.
var TestData = define(Kind{
	Name: "test_data", Resource: "rtu/N", Severity: Warning, Scope: Owner,
	Params: []string{"example"}, Hold: 10 * time.Minute,
	Text: Words{
		"device marks what it sends as a test, {example}: {count} ASDUs kept as strays",
		"设备将所发数据标记为试验，{example}：{count} 个 ASDU 存为无主数据",
	},
	Advice: Words{
		"end the device's test mode; such data must not act on the process (IEC 60870-5-101, 7.2.3)",
		"结束设备的试验状态；此类数据不得作用于过程（IEC 60870-5-101，7.2.3）",
	},
})

// How an RTU's device and the links to it are.
var (
	Offline = define(Kind{
		Name: "offline", Resource: "rtu/N", Severity: Alarm, Scope: Leader,
		Text: Words{
			"device is on no channel of either FEP: its points are not topical",
			"设备在两台前置机的所有通道上均不通：其各点不具时效性",
		},
		Advice: Words{
			"check the device's power and network; `fepha rtu show N` tells what each link last said",
			"检查设备电源和网络；各链路最近情况见 `fepha rtu show N`",
		},
	})
	LinkDown = define(Kind{
		Name: "link_down", Resource: "rtu/N", Severity: Warning, Scope: Leader,
		Params: []string{"links", "node"},
		Text: Words{
			"link {links} is down on {node}, the owner (channel:link)",
			"链路 {links} 在所属节点 {node} 上中断（通道:链路）",
		},
		Advice: Words{
			"the RTU works, with less in reserve: check the path from that node to the device",
			"该 RTU 仍在工作，但备用减少：检查该节点到设备的通路",
		},
	})
	NoReserve = define(Kind{
		Name: "no_reserve", Resource: "rtu/N", Severity: Warning, Scope: Leader,
		Params: []string{"node"},
		Text: Words{
			"{node}, the other FEP, does not reach the device: it could not take over",
			"另一前置机 {node} 无法到达该设备：不能接管",
		},
		Advice: Words{
			"check the path from that node to the device",
			"检查该节点到设备的通路",
		},
	})
	Unowned = define(Kind{
		Name: "unowned", Resource: "rtu/N", Severity: Alarm, Scope: Leader,
		Text: Words{"nobody collects from the RTU", "没有节点采集该 RTU"},
		Advice: Words{
			"is a FEP alive, with a lease, and its configuration the group's? see `fepha status`",
			"是否有存活、持有租约且配置一致的前置机？见 `fepha status`",
		},
	})
	InterrogationRefused = define(Kind{
		Name: "interrogation_refused", Resource: "rtu/N", Severity: Warning, Scope: Owner,
		Params: []string{"what", "answer"},
		Text: Words{
			"device refuses {what}: {answer}",
			"设备拒绝{what}：{answer}",
		},
		Advice: Words{
			"allow interrogation on the device: it is asked again every minute, and what it has not told by itself since the start is not topical",
			"在设备上启用召唤：每分钟重新召唤，启动后设备未主动上送的点不具时效性",
		},
	})
	InterrogationUnanswered = define(Kind{
		Name: "interrogation_unanswered", Resource: "rtu/N", Severity: Warning, Scope: Owner,
		Params: []string{"what"},
		Text: Words{
			"device does not answer {what}",
			"设备不应答{what}",
		},
		Advice: Words{
			"check common_address, and that the device's interrogation is on; what it has not told by itself since the start is not topical",
			"检查 common_address 以及设备是否启用召唤；启动后设备未主动上送的点不具时效性",
		},
	})
	InterrogationIncomplete = define(Kind{
		Name: "interrogation_incomplete", Resource: "rtu/N", Severity: Warning, Scope: Owner,
		Params: []string{"what"},
		Text: Words{
			"device begins to answer {what}, and does not end it within 60 s",
			"设备开始应答{what}，但 60 秒内未结束",
		},
		Advice: Words{
			"its values are taken as they come; the device should end it with ACTTERM (IEC 60870-5-101, 7.4.5)",
			"已收到的值照常采用；设备应以 ACTTERM 结束（IEC 60870-5-101，7.4.5）",
		},
	})
	DeviceZone = define(Kind{
		Name: "device_zone", Resource: "rtu/N", Severity: Alarm, Scope: Owner,
		Params: []string{"offset", "zone"},
		Text: Words{
			"device's time tags are {offset} off, nearly a multiple of 15 min: it keeps another time zone than {zone}",
			"设备时标偏差 {offset}，接近 15 分钟的整数倍：其时区与 {zone} 不同",
		},
		Advice: Words{
			"set the device's time zone or summer time, or time_zone of the RTU",
			"设置设备的时区或夏令时，或该 RTU 的 time_zone",
		},
	})
	DeviceClock = define(Kind{
		Name: "device_clock", Resource: "rtu/N", Severity: Warning, Scope: Owner,
		Params: []string{"offset"},
		Text: Words{
			"device's time tags are {offset} off",
			"设备时标偏差 {offset}",
		},
		Advice: Words{
			"check that the device takes clock synchronisation (clock_sync), or its GPS or NTP",
			"检查设备是否接受对时（clock_sync），或其 GPS、NTP",
		},
	})
	StartUnconfirmed = define(Kind{
		Name: "start_unconfirmed", Resource: "rtu/N", Severity: Warning, Scope: Owner,
		Params: []string{"links"},
		Text: Words{
			"device takes the connection on link {links} (channel:link) and does not confirm STARTDT: it may still hold another client's link",
			"设备在链路 {links}（通道:链路）上接受连接但不确认 STARTDT：可能仍保持着另一客户端的链路",
		},
		Advice: Words{
			"the link is kept, and STARTDT repeated every t1, until the device's own time-outs end the other one: after t3 + t1, mostly 35 s; if it lasts, see who else is connected to the device",
			"保持该链路并每隔 t1 重发 STARTDT，直到设备自身超时结束另一链路（t3 + t1，一般 35 秒）；若持续存在，请检查还有谁连接到该设备",
		},
	})
	Protocol = define(Kind{
		Name: "protocol", Resource: "rtu/N", Severity: Warning, Scope: Owner,
		Params: []string{"what"}, Hold: time.Hour,
		Text: Words{
			"device breaks the protocol, which closed its link {count} times: {what}",
			"设备违反规约，链路因此关闭 {count} 次：{what}",
		},
		Advice: Words{
			"have the device mended, or name what stands in brackets in `tolerant` of the RTU: then it is taken as it is",
			"请修正设备，或将括号中的名称写入该 RTU 的 `tolerant`：则照原样接受",
		},
	})
	CounterStuck = define(Kind{
		Name: "counter_stuck", Resource: "rtu/N", Severity: Warning, Scope: Owner,
		Params: []string{"counters", "example"},
		Text: Words{
			"{counters} counters had the same sequence number in all of the last readings, such as {example}: nobody freezes them",
			"{counters} 个电能量在最近各次读取中顺序号均未改变，例如 {example}：没有人冻结它们",
		},
		Advice: Words{
			"have the device freeze them by itself, or set `counter_freeze: freeze` of the RTU",
			"让设备自行冻结，或在该 RTU 上设置 `counter_freeze: freeze`",
		},
	})
	ClockRefused = define(Kind{
		Name: "clock_refused", Resource: "rtu/N", Severity: Warning, Scope: Owner,
		Params: []string{"answer"},
		Text: Words{
			"device does not take clock synchronisation: {answer}",
			"设备不接受对时：{answer}",
		},
		Advice: Words{
			"allow it on the device, or set clock_sync: 0 if it has a clock of its own",
			"在设备上启用对时；若设备自有时钟，请设 clock_sync: 0",
		},
	})
)

// What a device does that makes the station defend itself.
var (
	Chattering = define(Kind{
		Name: "chattering", Resource: "rtu/N", Severity: Warning, Scope: Owner,
		Params: []string{"points", "example"},
		Text: Words{
			"{points} points change too often and are held, such as {example}: their changes are no events until they are quiet",
			"{points} 个点变化过于频繁，已被抑制，例如 {example}：平息前其变化不产生事件",
		},
		Advice: Words{
			"find the contact, relay or threshold that bounces; or raise the point's chatter in the table",
			"查找抖动的接点、继电器或门限；或在点表中放宽该点的 chatter",
		},
	})
	Braked = define(Kind{
		Name: "braked", Resource: "rtu/N", Severity: Warning, Scope: Owner,
		Params: []string{"events", "part", "rate"},
		Text: Words{
			"{events} events of it wait for the control centres, its part of the journal is {part}: acknowledged at {rate} events a second",
			"该设备有 {events} 个事件等待主站，其日志份额为 {part}：以每秒 {rate} 个事件的速度确认",
		},
		Advice: Words{
			"nothing is lost while the device keeps what it has to say: bring the control centre back, or find out why the device sends so much",
			"在设备保留其数据期间不会丢失：恢复主站，或查明设备为何发送过多",
		},
	})
	DeviceTimer = define(Kind{
		Name: "device_timer", Resource: "rtu/N", Severity: Warning, Scope: Owner,
		Params: []string{"seconds", "link", "parameter"}, Hold: time.Hour,
		Text: Words{
			"a frame to {link} was not acknowledged for {seconds} s, though the device was heard: {parameter}; {count} links ended by that",
			"发往 {link} 的帧 {seconds} 秒未被确认，而设备有响应：{parameter}；因此断开 {count} 次",
		},
		Advice: Words{
			"make the device's t2 less than t1 of the RTU here (IEC 60870-5-104, 9.6)",
			"将设备的 t2 设为小于本端该 RTU 的 t1（IEC 60870-5-104，9.6）",
		},
	})
)
