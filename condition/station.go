package condition

import "time"

// What is wrong with the group of nodes.
var (
	QuorumLost = define(Kind{
		Name: "quorum_lost", Resource: "station", Severity: Alarm, Scope: Local,
		Text: Words{
			"no quorum: nothing is collected, forwarded or controlled, and what is shown is as it was when the quorum was lost",
			"失去多数派：不采集、不转发、不控制，所示内容为失去多数派时的状态",
		},
		Advice: Words{
			"bring back a second node, or the network between them; docs/RECOVERY.md if two machines are lost for good",
			"恢复第二个节点或节点间网络；若两台机器永久损坏，见 docs/RECOVERY.md",
		},
	})
	QuorumRisk = define(Kind{
		Name: "quorum_risk", Resource: "station", Severity: Warning, Scope: Leader,
		Params: []string{"alive", "members"},
		Text: Words{
			"{alive} of {members} nodes are there: if another one fails, the station stops",
			"{members} 个节点中仅 {alive} 个在线：再失一个，本站将停止",
		},
		Advice: Words{
			"bring the missing node back before anything else is touched",
			"在进行其他操作之前先恢复缺失的节点",
		},
	})
	NodeDead = define(Kind{
		Name: "dead", Resource: "node/ID", Severity: Alarm, Scope: Leader,
		Text: Words{
			"the node is not heard of",
			"该节点失联",
		},
		Advice: Words{
			"check its power and network, then `systemctl status 'fepha@*'` there",
			"检查其电源和网络，然后在该机上执行 `systemctl status 'fepha@*'`",
		},
	})
	Stopped = define(Kind{
		Name: "stopped", Resource: "node/ID", Severity: Warning, Scope: Leader,
		Text: Words{
			"the node was stopped as planned: what it owned went elsewhere first",
			"该节点已按计划停止：其负责的资源已先移交",
		},
		Advice: Words{
			"start it again when the work there is done: until then no other node may fail",
			"工作完成后请重新启动；在此之前其他节点不能再出故障",
		},
	})
	Maintenance = define(Kind{
		Name: "maintenance", Resource: "node/ID", Severity: Warning, Scope: Leader,
		Text: Words{
			"the node is under maintenance: it is given nothing, whatever happens to the other FEP",
			"该节点处于检修状态：无论另一台前置机发生什么，都不会分配给它任何资源",
		},
		Advice: Words{
			"`fepha maintenance end` with its id when the work is done",
			"工作完成后执行 `fepha maintenance end` 加其节点名",
		},
	})
	Unreachable = define(Kind{
		Name: "unreachable", Resource: "node/ID", Severity: Warning, Scope: Node,
		Params: []string{"from"},
		Text: Words{
			"{from} does not reach the node, while others do",
			"{from} 无法到达该节点，而其他节点可以",
		},
		Advice: Words{
			"check the network between these two: it will be needed when one of them leads",
			"检查两者之间的网络：其中之一成为主节点时将需要它",
		},
	})
	Crashed = define(Kind{
		Name: "crashed", Resource: "node/ID", Severity: Warning, Scope: Node,
		Params: []string{"reason"}, Hold: 24 * time.Hour,
		Text: Words{
			"the node was started again after it had ended unexpectedly: {reason}",
			"该节点异常结束后已重新启动：{reason}",
		},
		Advice: Words{
			"mend the cause if one is named; else `journalctl -u 'fepha@*'` of that time, and a report to the makers",
			"若已说明原因请排除；否则查看当时的 `journalctl -u 'fepha@*'` 并报告给开发者",
		},
	})
	NoLease = define(Kind{
		Name: "no_lease", Resource: "node/ID", Severity: Alarm, Scope: Leader,
		Text: Words{
			"the FEP is heard of and has no lease: it may run no link",
			"该前置机在线但没有租约：不能运行任何链路",
		},
		Advice: Words{
			"its log says why; a FEP that was started a moment ago, or whose clock jumps, has to wait",
			"原因见其日志；刚启动或时钟跳变的前置机需要等待",
		},
	})
	OtherBuild = define(Kind{
		Name: "version", Resource: "node/ID", Severity: Warning, Scope: Leader,
		Params: []string{"build", "leader"},
		Text: Words{
			"the node runs version {build}, the leader {leader}",
			"该节点版本为 {build}，主节点为 {leader}",
		},
		Advice: Words{
			"finish the upgrade: the same version on all nodes",
			"完成升级：所有节点使用同一版本",
		},
	})
	OtherConfiguration = define(Kind{
		Name: "configuration", Resource: "node/ID", Severity: Alarm, Scope: Leader,
		Text: Words{
			"the node runs another configuration than the group",
			"该节点的配置与全组不一致",
		},
		Advice: Words{
			"`fepha config get --out` writes the group's files; see what its other conditions and its log say against them",
			"用 `fepha config get --out` 取得全组的文件；不能采用的原因见该节点的其他状况和日志",
		},
	})
	ConfigurationRefused = define(Kind{
		Name: "configuration_refused", Resource: "node/ID", Severity: Alarm, Scope: Node,
		Params: []string{"version", "reason"},
		Text: Words{
			"the node can't take on version {version} of the configuration, which is in force, and begins to own nothing that differs: {reason}",
			"该节点不能采用现行配置（版本 {version}），不会接管有差异的资源：{reason}",
		},
		Advice: Words{
			"mend what it names; if the files differ in what a running node can't change, put those of `fepha config get` there and restart it, or change the others' files too",
			"排除所述原因；若差异在运行中不可更改的项，请放入 `fepha config get` 的文件并重启该节点，或同样更改其他节点的文件",
		},
	})
	ConfigurationReplaced = define(Kind{
		Name: "configuration_replaced", Resource: "node/ID", Severity: Warning, Scope: Node,
		Params: []string{"version", "kept"}, Hold: time.Hour,
		Text: Words{
			"the node's files had been changed by hand, and were replaced by version {version}, which is in force; the former ones: {kept}",
			"该节点的文件曾被手工修改，已被现行版本 {version} 替换；原文件：{kept}",
		},
		Advice: Words{
			"nothing, if the group's are right; else bring the change with `fepha config apply`, which all nodes take on",
			"若全组的文件正确则无需处理；否则用 `fepha config apply` 应用该更改，所有节点将一同采用",
		},
	})
	ClockOff = define(Kind{
		Name: "clock_off", Resource: "node/ID", Severity: Warning, Scope: Leader,
		Params: []string{"offset", "leader"},
		Text: Words{
			"the node's clock is off by {offset} from that of {leader}",
			"该节点的时钟与 {leader} 相差 {offset}",
		},
		Advice: Words{
			"compare both with a watch, and mend the source of time of the one that is wrong: `chronyc sources`",
			"与可靠的时间比对，并修复有误一方的时钟源：`chronyc sources`",
		},
	})
	Unadded = define(Kind{
		Name: "not_added", Resource: "node/ID", Severity: Warning, Scope: Local,
		Text: Words{
			"the node waits to be added to the group: it has an empty data folder, or was taken out",
			"该节点正等待加入集群：其数据目录为空，或已被移出",
		},
		Advice: Words{
			"on a node of the group: `fepha raft add` with its id and address",
			"在集群的任一节点上执行 `fepha raft add` 加其节点名和地址",
		},
	})
)

// What is wrong with one node's machine.
var (
	Disk = define(Kind{
		Name: "disk", Resource: "node/ID", Severity: Warning, Scope: Node,
		Params: []string{"free", "folder"},
		Text: Words{
			"{free} are free on the disk of {folder}",
			"{folder} 所在磁盘剩余 {free}",
		},
		Advice: Words{
			"make room: a node whose disk is full ends, and the other FEP takes over",
			"请清理空间：磁盘写满的节点会停止，由另一前置机接管",
		},
	})
	SlowDisk = define(Kind{
		Name: "slow_disk", Resource: "node/ID", Severity: Warning, Scope: Node,
		Params: []string{"ms"},
		Text: Words{
			"the disk takes {ms} ms to make a write safe: every event waits for that",
			"磁盘落盘耗时 {ms} 毫秒：每个事件都要等待",
		},
		Advice: Words{
			"look for what else writes to the disk, and at its health (`smartctl -a`)",
			"检查还有什么在写该磁盘，以及其健康状况（`smartctl -a`）",
		},
	})
	BackupFailed = define(Kind{
		Name: "backup_failed", Resource: "node/ID", Severity: Warning, Scope: Node,
		Params: []string{"reason"},
		Text: Words{
			"the FEP can't make a backup: {reason}",
			"该前置机无法备份：{reason}",
		},
		Advice: Words{
			"mend what it names, then `fepha backup now`; it's tried again each minute",
			"排除所述原因后执行 `fepha backup now`；系统每分钟重试一次",
		},
	})
	BackupOld = define(Kind{
		Name: "backup_old", Resource: "node/ID", Severity: Warning, Scope: Node,
		Params: []string{"since"},
		Text: Words{
			"the newest backup on the FEP is of {since}: twice as old as station.yaml asks for",
			"该前置机最近的备份时间为 {since}：已超过 station.yaml 要求间隔的两倍",
		},
		Advice: Words{
			"see `backup_failed`, the room on the disk, and the machine's clock; then `fepha backup now`",
			"查看 `backup_failed`、磁盘剩余空间和本机时钟，然后执行 `fepha backup now`",
		},
	})
	ClockUnsynchronised = define(Kind{
		Name: "clock_unsynchronised", Resource: "node/ID", Severity: Warning, Scope: Node,
		Text: Words{
			"the node's clock is not synchronised: devices and events get its time",
			"该节点时钟未同步：设备和事件使用其时间",
		},
		Advice: Words{
			"set up chrony or another source of time: `timedatectl`",
			"配置 chrony 或其他时钟源：`timedatectl`",
		},
	})
	Redis = define(Kind{
		Name: "redis", Resource: "node/ID", Severity: Warning, Scope: Node,
		Params: []string{"address", "error"},
		Text: Words{
			"Redis at {address} does not answer, so its view is old: {error}",
			"Redis {address} 无应答，其视图已过时：{error}",
		},
		Advice: Words{
			"nothing else waits for it: bring it back, and the whole view is written again",
			"其他功能不受影响：恢复 Redis 后会重写全部视图",
		},
	})
	Certificate = define(Kind{
		Name: "certificate", Resource: "node/ID", Severity: Warning, Scope: Node,
		Params: []string{"file", "ends"},
		Text: Words{
			"certificate {file} ends on {ends}",
			"证书 {file} 将于 {ends} 到期",
		},
		Advice: Words{
			"make a new one and put it in its place: it is read again without a restart",
			"签发新证书并替换：无需重启即可生效",
		},
	})
	KeyReadable = define(Kind{
		Name: "key_readable", Resource: "node/ID", Severity: Alarm, Scope: Node,
		Params: []string{"file", "mode"},
		Text: Words{
			"others than the node's user can read {file} (mode {mode})",
			"其他用户可读取 {file}（权限 {mode}）",
		},
		Advice: Words{
			"chmod 600 it, and replace it if somebody may have read it",
			"执行 chmod 600；若可能已被读取，请更换",
		},
	})
)
