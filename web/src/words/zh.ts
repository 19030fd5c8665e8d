// 页面的中文。花括号里的名称由程序填入。

import type {en} from './en';

export const zh: Record<keyof typeof en, string> = {
  station: '车站', conditions: '状况', events: '事件', points: '点表', frames: '报文', takeovers: '切换',
  nodes: '节点', configuration: '配置', fnp: 'FNP', access: '用户', more: '更多',
  skip: '跳到正文', seen_through: '经 {node} 查看', connecting: '正在连接……', not_known: '未知',
  lost: '{node} 已有 {time} 没有应答：显示的内容已过时。正在尝试其他节点。',
  lost_why: '{node} 已有 {time} 没有应答：显示的内容已过时。它的答复：{why}',
  no_quorum: '没有多数派：本节点与多数节点失去联系。显示的内容可能已过时；在三个节点中有两个重新互通之前，不能做任何更改。',
  looking: '领导者刚刚产生：还没有查看完全部情况。',
  all_well: '车站目前没有已知的异常。',
  alarms: '{n} 个告警', warnings: '{n} 个警告', one_alarm: '1 个告警', one_warning: '1 个警告',
  language: '语言', theme: '浅色或深色', sound: '新告警时发声', sound_on: '声音已开', sound_off: '声音已关',
  yes: '确定', cancel: '取消', close: '关闭', reason: '原因', done: '已完成：{what}', failed: '未完成：{why}',
  nothing: '这里还没有内容。', nothing_found: '没有符合筛选条件的内容。', loading: '正在读取……', cannot_read: '无法读取：{why}',

  advice: '处理办法', acknowledge: '确认', acknowledged_by: '{name} 已确认', seen_by: '由 {node} 发现', count: '{n} 次',
  instructions: '详细说明', severity_alarm: '告警', severity_warning: '警告', history: '历史',

  devices: '设备', control_centres: '控制中心', owner: '主用', nobody: '无', leader: '领导者', witness: '见证节点',
  dead: '失效', alive: '在线', lease: '租约有效', no_lease: '无租约', online: '在线', offline: '离线', pinned: '固定在 {node}',
  moving: '正在移到 {node}', move_to: '切到 {node}', pin: '固定', unpin: '取消固定', release: '释放',
  ask_move: '把 {what} 切到 {node}？', ask_move_why: '{from} 关闭它的链路，{node} 随后打开。不丢数据，间隔为几毫秒。',
  ask_pin: '把 {what} 固定在 {node}？', ask_pin_why: '在取消固定之前，即使 {node} 连不上它，也不会切换。',
  ask_unpin: '取消固定 {what}？', ask_unpin_why: '它的前置机连不上它时，又可以切换。',
  ask_release: '释放 {what}？', ask_release_why: '关闭当前链路；控制中心须重新启动传输，先连另一台前置机。',
  not_connected: '没有客户端连接', backlog: '{n} 条尚未确认',
  dropped: '已丢弃 {n} 条', client_on: '{client}，在 {node}（{role}）', last_events: '最新事件',
  all_events: '全部事件', picture: '车站示意图：哪台前置机采集哪台设备、服务哪个控制中心',

  time: '时间', number: '序号', what: '内容', kind: '类别', rtu: 'RTU', point: '点号', text: '文字', from: '从', to: '到', all: '全部',
  kept: '保存 {n} 条事件，编号 {first} 至 {last}', found: '已找到 {n} 条，已查到 {scanned}', found_all: '找到 {n} 条', live: '实时', export_csv: 'CSV', export_xlsx: 'Excel',
  export_limit: '导出前 {n} 条符合条件的事件。', filter: '筛选', clear_filter: '清除筛选', kind_note: '车站自身的动作',
  kind_di: '遥信 (DI)', kind_ai: '遥测 (AI)', kind_counter: '遥脉', kind_owner: '主备切换', kind_control: '遥控', kind_online: '上线和离线', kind_node: '节点', kind_condition: '状况', kind_config: '配置',

  name: '名称', value: '值', quality: '品质', good: '正常', age: '距今', search: '名称或点号',
  points_shown: '{n} 个点', points_cut: '只显示前 {n} 个点：请选择 RTU 或类别以查看其他点。', point_history: '{point} 的历史',
  found_at: '上送地址', device_says: '设备值为', nothing_yet: '尚无', category: '类别',
  block: '闭锁', substitute: '置数', release_point: '解除',
  blocked_by: '由 {name} 于 {time} 闭锁：', substituted_by: '由 {name} 于 {time} 人工置数：',
  ask_block: '闭锁 {what}？', ask_block_why: '保持当前值并带闭锁标志，解除之前其变化不再上送；期间列为状况。',
  ask_substitute: '对 {what} 人工置数？', ask_substitute_why: '解除之前各处看到的都是这个值，带取代标志；期间列为状况，解除后恢复设备值。',
  ask_release_point: '解除 {what}？', ask_release_point_why: '立即恢复设备值。',
  is_blocked: '{what} 已闭锁', is_substituted: '{what} 已置数', is_released: '{what} 已恢复设备值',
  operate: '遥控', operate_what: '遥控 {what}', select: '选择', execute: '执行', cancel_select: '撤销选择', send_control: '发送',
  select_confirmed: '设备在 {n} 毫秒后确认选择。', select_cancelled: '选择已撤销。', control_done: '已完成：设备在 {n} 毫秒后确认。',
  control_refused: '未完成：{why}', execute_within: '已选择：{what} → {value}。请在 {n} 秒内执行。', select_lapsed: '选择已失效：没有执行任何操作。', waiting_for_device: '正在等待设备……',
  without_select: '不经选择直接发送', sure_to_send: '立即向 {what} 发送 {value}',
  history_none: '日志中没有这个点的事件。',

  frames_of: '报文来源', pause: '暂停', resume: '继续', clear: '清空', direction: '方向', sent: '发送', received: '接收',
  frames_seen: '{n} 帧', frames_dropped: '此处缺 {n} 帧：来得太快，页面来不及接收', octets: '字节', frames_here: '只有为本页面服务的 {node} 的报文。主用为 {owner}：', open_there: '打开 {node}',
  choose_one: '请选择一台设备或一个控制中心。', link: '链路',

  resource: '资源', gap: '到首个数据', phases: '阶段', phase_detected: '发现', phase_elected: '选出领导者', phase_leased: '等待租约', phase_connected: '连接', phase_first_data: '首个数据',
  ms: '{n} 毫秒', who: '操作者', takeovers_none: '日志中没有主备切换。', commit_latency: '提交延时，毫秒（p50、p99）', event_rate: '每秒事件数',

  node: '节点', role: '角色', state: '状态', term: '任期', commit_index: '已提交', applied: '已应用', last_contact: '最近联系', version: '版本', addresses: '地址', voter: '投票', has_vote: '有', no_vote: '无',
  config_differs: '配置不同', transfer: '设为领导者', ask_transfer: '把 {node} 设为领导者？', ask_transfer_why: '需要十几毫秒；设备和控制中心的归属不变。',

  in_force: '生效的配置', this_node: '本节点运行', config_same: '本节点运行的就是生效的配置。', config_other: '本节点运行的不是生效的配置：文件不同。',
  upload: '选择 station.yaml 和它的表', check: '检查', apply: '生效', would_change: '将要更改的内容', changed: '已生效', no_change: '没有需要更改的内容。', drops: '将断开：{what}', ask_apply: '让这份配置在所有节点生效？',
  change_added: '新增', change_removed: '删除', change_changed: '更改',

  no_fnp: '本站没有 FNP。', channel_table: '通道表', stations_online: '{n} 个站中 {online} 个在线', messages: '消息', send: '发送', message: '消息', to_station: '目标站', sent_in: '{n} 毫秒后得到确认', endpoint_at: '端点在 {node}：请从它的页面发送。',
  level: '级别', contested: '两个站声称同一编号', rival: '{name}（{address}）声称同一编号', endpoint_on: '端点 {id} 在 {node}，地址 {address}', datagrams: '数据报：{counters}',

  login: '请登录', user: '姓名', password: '密码', token: '令牌', log_in: '登录', log_out: '退出', login_why: '车站需要姓名和密码，或令牌（fepha token create）。', with_token: '使用令牌', with_password: '使用姓名和密码',
  logged_in: '您是 {name}（{role}）。', users: '用户', tokens: '令牌', role_viewer: '查看者：只读', role_operator: '操作员：另可切换、固定、释放、遥控', role_engineer: '工程师：另可配置、看报文、增减节点', role_admin: '管理员：全部权限',
  add: '新增', remove: '删除', ask_remove: '删除 {name}？', ask_remove_why: '该用户打开的会话在所有节点上立即结束。', ask_revoke_why: '使用这个令牌的程序在所有节点上立即被拒绝。',
  token_once: '令牌只显示这一次，请妥善保存：',
  expires: '到期', last_use: '最近使用', insecure: '本站不核对身份：只能从本机访问。',

  word_leader: '领导者', word_follower: '跟随者', word_candidate: '竞选者', word_fep: '前置机', word_witness: '见证节点', word_active: '主用', word_standby: '备用',
  word_connecting: '连接中', word_down: '断开', word_main: '主用', word_held: '保持', word_owned: '已归属', word_unowned: '无归属', word_releasing: '释放中', word_exclusive: '独占',
  word_main_standby: '主备', word_dual_active: '双活', word_start: '启动', word_claimed: '认领', word_manual: '人工', word_node_lost: '节点失效', word_channels: '通道全断', word_resumed: '恢复',
  word_viewer: '查看者', word_operator: '操作员', word_engineer: '工程师', word_admin: '管理员',
  word_di: '遥信', word_ai: '遥测', word_counter: '遥脉',
  word_on: '合', word_off: '分', word_higher: '升', word_lower: '降', word_in_between: '中间态', word_indeterminate: '不确定',
  word_invalid: '无效', word_not_topical: '非当前', word_substituted: '取代', word_blocked: '闭锁', word_overflow: '溢出',
};
