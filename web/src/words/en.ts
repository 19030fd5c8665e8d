// The page's sentences. {names} are filled in.

export const en = {
  // the frame
  station: 'Station', conditions: 'Conditions', events: 'Events', points: 'Points', frames: 'Frames', commissioning: 'Point check', takeovers: 'Takeovers',
  nodes: 'Nodes', configuration: 'Configuration', exports: 'Exports', fnp: 'FNP', access: 'Access', more: 'More',
  skip: 'Skip to the content', seen_through: 'seen through {node}', connecting: 'Connecting …', not_known: 'not known',
  lost: 'No answer from {node} for {time}: what is shown is old. The other nodes are being tried.',
  lost_why: 'No answer from {node} for {time}: what is shown is old. It says: {why}',
  no_quorum: 'No quorum: this node is in touch with no majority. What is shown may be old, and nothing can be changed until two of the three nodes see each other again.',
  looking: 'The leader is new: it has not looked at everything yet.',
  all_well: 'Nothing is wrong that the station knows of.',
  alarms: '{n} alarms', warnings: '{n} warnings', one_alarm: '1 alarm', one_warning: '1 warning',
  language: 'Language', theme: 'Light or dark', sound: 'Sound on a new alarm', sound_on: 'Sound is on', sound_off: 'Sound is off',
  yes: 'Yes', cancel: 'Cancel', close: 'Close', reason: 'Reason', done: 'Done: {what}', failed: 'Not done: {why}',
  nothing: 'Nothing here yet.', nothing_found: 'Nothing matches the filter.', loading: 'Loading …', cannot_read: 'Could not be read: {why}',

  // conditions
  advice: 'What to do', acknowledge: 'Acknowledge', acknowledged_by: 'acknowledged by {name}', seen_by: 'seen by {node}', count: '{n} times',
  instructions: 'Read more', severity_alarm: 'Alarm', severity_warning: 'Warning', history: 'History',

  // station
  devices: 'Devices', control_centres: 'Control centres', owner: 'Owner', nobody: 'nobody', leader: 'leader', witness: 'witness',
  dead: 'dead', alive: 'alive', lease: 'lease', no_lease: 'no lease', online: 'online', offline: 'OFFLINE', pinned: 'pinned to {node}',
  moving: 'moving to {node}', move_to: 'Move to {node}', pin: 'Pin', unpin: 'Unpin', release: 'Release',
  ask_move: 'Move {what} to {node}?', ask_move_why: 'Its links are closed on {from} and opened on {node}. Nothing is lost; the gap is a few milliseconds.',
  ask_pin: 'Pin {what} to {node}?', ask_pin_why: 'It stays there, also when {node} can not reach it, until it is unpinned.',
  ask_unpin: 'Unpin {what}?', ask_unpin_why: 'It may be moved again when its FEP can not reach it.',
  ask_release: 'Release {what}?', ask_release_why: 'The live link is closed; the control centre has to start again, on the other FEP first.',
  not_connected: 'no client is connected', backlog: '{n} not acknowledged yet',
  dropped: '{n} DROPPED', client_on: '{client} on {node} ({role})', last_events: 'Newest events',
  all_events: 'All events', picture: 'Picture of the station: which FEP collects from which device and serves which control centre',

  // events
  time: 'Time', number: 'No.', what: 'What', kind: 'Kind', rtu: 'RTU', point: 'Point', text: 'Text', from: 'From', to: 'To', all: 'all',
  kept: '{n} events are kept, of numbers {first} to {last}', found: '{n} found so far, looked down to {scanned}', found_all: '{n} found', live: 'live', export_csv: 'CSV', export_xlsx: 'Excel',
  export_limit: 'The first {n} that match are exported.', filter: 'Filter', clear_filter: 'Clear the filter', kind_note: 'what the station did',
  kind_di: 'states (DI)', kind_ai: 'analogs (AI)', kind_counter: 'counters', kind_bitstring: 'bit patterns', kind_owner: 'changes of owner', kind_control: 'controls', kind_online: 'on and off line', kind_node: 'nodes', kind_condition: 'conditions', kind_config: 'configurations',

  // points
  name: 'Name', value: 'Value', quality: 'Quality', good: 'good', age: 'Age', search: 'Name or number',
  points_shown: '{n} points', points_cut: 'The first {n} points are shown: choose an RTU or a kind to see the others.', point_history: 'History of {point}',
  found_at: 'for control centres', common_address: 'common address', behind_one: 'one connection with RTUs {rtus}: they move together', device_says: 'the device says', nothing_yet: 'nothing yet', category: 'Category',
  block: 'Block', substitute: 'Substitute', release_point: 'Release',
  blocked_by: 'blocked by {name} at {time}:', substituted_by: 'given by hand by {name} at {time}:',
  ask_block: 'Block {what}?', ask_block_why: 'It keeps its value, marked as blocked, and its changes are not passed on until it is released. It is listed as a condition meanwhile.',
  ask_substitute: 'Give {what} a value by hand?', ask_substitute_why: 'Everybody sees this value, marked as substituted, until it is released. It is listed as a condition meanwhile; what the device says comes back then.',
  ask_release_point: 'Release {what}?', ask_release_point_why: 'What the device says is in force again at once.',
  is_blocked: '{what} is blocked', is_substituted: '{what} has the value given by hand', is_released: '{what} shows what the device says',
  operate: 'Operate', operate_what: 'Operate {what}', select: 'Select', execute: 'Execute', cancel_select: 'Cancel the selection', send_control: 'Send',
  select_confirmed: 'The device has confirmed the selection after {n} ms.', select_cancelled: 'The selection is cancelled.', control_done: 'Done: the device has confirmed after {n} ms.',
  control_refused: 'Not done: {why}', execute_within: 'Selected: {what} → {value}. Execute within {n} s.', select_lapsed: 'The selection has lapsed: nothing was executed.', waiting_for_device: 'Waiting for the device …',
  without_select: 'Send without selecting', sure_to_send: 'Send {value} to {what} at once',
  history_none: 'No event of this point is in the journal.',

  // frames
  frames_of: 'Frames of', pause: 'Pause', resume: 'Go on', clear: 'Clear', direction: 'Direction', sent: 'sent', received: 'received',
  frames_seen: '{n} frames', frames_dropped: '{n} frames are missing here: they came faster than this page could take them', octets: 'Octets', frames_here: 'Only frames of {node}, which serves this page. {owner} owns it:', open_there: 'open {node}',
  choose_one: 'Choose a device or a control centre.', link: 'Link',

  // commissioning
  check_what: 'A point is ticked off when its change came from the device and the control centre has acknowledged it, a control when the device has returned it; the rest by hand, with a remark. Progress survives takeovers.',
  choose: 'Choose', progress: 'Progress', progress_of: '{done} of {n} ({percent} %)', check_seen: '{n} seen', check_failed: '{n} wrong', not_checked: 'not begun',
  check_ended: 'Ended {time}.', check_goes_on: 'Begun {time} by {name}.', check_not_ended: 'Not ended.', acknowledged_at: 'Acknowledged by', start_check: 'Start the check', ask_check: 'Start the check of RTU {rtus}?',
  ask_check_why: 'All points of their tables are checked. Of an RTU that is being checked, new points come in and the others keep their progress.', check_began: 'the check of RTU {rtus} has begun',
  all_checks: 'All RTUs', print: 'Print', update_check: 'Take over the table', ask_update_check: 'Take over the present table for {what}?', ask_update_check_why: 'New points come in, points that are gone go; the others keep their progress.', check_updated: 'the table is taken over',
  end_check: 'End', ask_end_check: 'End the check of {what}?', ask_end_check_why: 'The result stays as it is until it is discarded.', check_has_ended: 'the check of {what} has ended',
  discard_check: 'Discard', ask_discard_check: 'Discard the check of {what}?', ask_discard_check_why: 'The result is gone then: export the report first.', check_discarded: 'the check of {what} is gone',
  seen: 'Seen', tick: 'Right:', wrong: 'Wrong:', take_back: 'Take back:', ask_tick: 'Is {what} right?', ask_wrong: 'Is {what} wrong?', ask_tick_why: 'What you say counts more than what was seen.', remark: 'Remark: what was seen, or what is wrong',
  acked_at: 'acknowledged {time}', returned_at: 'returned {time}', not_acked: 'not acknowledged yet', ack_not_known: 'no event: an acknowledgement of it is not known', no_uplink_address: 'not in the uplink’s table', ioa: 'Address',
  signatures: 'Checked by: ____________________   At the control centre: ____________________   Date: ____________',
  compare_lists: 'Compare the lists of both ends', compare_why: 'The control centre’s list as CSV or Excel, with the column ioa, and name and type if it has them.', uplink: 'Uplink', centre_list: 'The control centre’s list', compare: 'Compare',
  compared: '{here} points here, {there} in the list: {same} are the same, {n} differ', here: 'Here', missing_here: 'missing here', missing_there: 'missing in the list', other_name: 'another name', other_type: 'another type',

  // takeovers
  resource: 'Resource', gap: 'until first data', phases: 'Phases', phase_detected: 'noticed', phase_elected: 'leader', phase_leased: 'lease waited for', phase_connected: 'connected', phase_first_data: 'first data',
  ms: '{n} ms', who: 'Who', takeovers_none: 'No change of owner is in the journal.', commit_latency: 'Commit latency, ms (p50, p99)', event_rate: 'Events per second', backlog_plot: 'Events not acknowledged yet', lease_margin: 'What is left of the lease of {node}, ms',

  // nodes
  node: 'Node', role: 'Role', state: 'State', term: 'Term', commit_index: 'Committed', applied: 'Applied', last_contact: 'Heard', version: 'Version', addresses: 'Address', voter: 'Vote', has_vote: 'yes', no_vote: 'no',
  node_waits: '{node} is no member of the group yet: it waits for “fepha raft add {node}” on a member. What it shows is not the station’s.',
  level_newest: 'the programs understand {n}', who_sees: 'Who sees whom', from_to: 'from, to', reaches: 'connects', misses: 'does not connect', at_hand: 'By hand', in_maintenance: 'maintenance', stopping: 'stopping',
  memory: 'Memory', cpu: 'CPU, of a core', fsync: 'A small write is safe after', disk_free: 'Free on disk', clock: 'Clock', clock_leader: 'the others are compared with it', clock_off: '{n} ms from the leader’s', clock_synced: 'synchronised', clock_not_synced: 'not synchronised',
  certificates: 'Certificates', no_certificates: 'none', certificate_ends: 'until {time} ({n} days)',
  config_differs: 'another configuration', transfer: 'Make it the leader', ask_transfer: 'Make {node} the leader?', ask_transfer_why: 'Takes some ten milliseconds; nothing moves.',

  // configuration
  in_force: 'In force', this_node: 'This node runs', config_same: 'what is in force', config_other: 'another one: its files differ', config_version: 'version {n}',
  config_settings: 'What is set', config_files: 'Files', config_change: 'Change', config_history: 'History', file: 'File', lines: '{n} lines', save_file: 'Save', expected: 'expected {what}',
  settings_what: 'The keys are those of station.yaml. What it does not say stands here with its default.', search_list: 'Search the lists', not_used: 'Not used.', list_cut: 'The first {n} of {of}: search for the others.',
  section_station: 'Station', section_cluster: 'Nodes', section_rtus: 'RTUs', section_uplinks: 'Uplinks', section_virtual_points: 'Virtual points', section_fnp: 'FNP', section_redis: 'Redis', section_exports: 'Exports', section_journal: 'Journal', section_trend: 'Course of analogs', section_security: 'Keys and certificates',
  upload: 'Choose station.yaml, tables, or both', upload_what: 'Choose the files that differ; the others are those in force. They are checked at once, and nothing is changed before you apply them.',
  candidate_version: 'Version {n}, as it was in force.', candidate_files: 'Chosen: {names}; {n} others are those in force.', checking: 'The nodes are checking it …', forget: 'Forget it', problems: 'Errors: {n}. Nothing was changed.',
  config_warnings: 'Allowed, and likely not meant: {n}', config_away: 'Away, and to take it on when back: {nodes}', config_behind: 'Not yet running it: {nodes}',
  check: 'Check', apply: 'Apply', would_change: 'What would change', changed: 'Put in force', no_change: 'Nothing would change.', drops: 'loses its connection: {what}', ask_apply: 'Put this configuration in force on all nodes?', ask_apply_why: 'No connection is lost.',
  no_versions: 'The group has no files of its configuration yet.', own_files: 'the nodes’ own files', back_to: 'Back to {n}', not_kept: 'files not kept',

  // exports
  no_exports: 'This station has no exports.', export_target: 'Target', export_takes: 'Takes', export_backlog: 'Not there yet', reach_from: 'Reached from {node}', audit: 'Audit', running: 'running', paused: 'paused', replay: 'Replay', first_record: 'From record no.',
  ask_pause: 'Have {name} wait?', ask_pause_why: 'The target gets nothing until it goes on. What the journal drops meanwhile is lost to it, and counted.', ask_resume: 'Have {name} go on?', ask_resume_why: 'The target gets what it does not have yet.',
  ask_replay: 'Replay {name}?', ask_replay_why: 'The target gets records again, as far as the journal has them.', replaying: 'records from {from} on come again',
  audit_why: 'The newest {n} entries. Each proves the one before it: fepha audit export and check.', hash: 'Hash',

  // FNP
  no_fnp: 'This station has no FNP.', channel_table: 'Channel table', stations_online: '{online} of {n} stations online', messages: 'Messages', send: 'Send', message: 'Message', to_station: 'To station', sent_in: 'acknowledged after {n} ms', endpoint_at: 'The endpoint is on {node}: send from its page.',
  level: 'Level', contested: 'two stations claim this id', rival: '{name} at {address} claims this id', endpoint_on: 'The endpoint {id} is on {node} at {address}', datagrams: 'Datagrams: {counters}',

  // access
  login: 'Who are you?', user: 'Name', password: 'Password', token: 'Token', log_in: 'Log in', log_out: 'Log out', login_why: 'The station asks for a name and password, or a token (fepha token create).', with_token: 'Use a token', with_password: 'Use name and password',
  logged_in: 'You are {name} ({role}).', users: 'Users', tokens: 'Tokens', role_viewer: 'viewer: reads', role_operator: 'operator: also moves, pins, releases, controls', role_engineer: 'engineer: also configures, traces, changes members', role_admin: 'admin: everything',
  add: 'Add', remove: 'Remove', ask_remove: 'Remove {name}?', ask_remove_why: 'What this user has open ends at once, on all nodes.', ask_revoke_why: 'Whoever uses this token is refused at once, on all nodes.',
  token_once: 'This token is shown once; keep it where nobody else can read it:',
  expires: 'Ends', last_use: 'Last use', insecure: 'This station asks nobody who they are: it is reachable from its own machine alone.',

  // the node's own words
  word_leader: 'leader', word_follower: 'follower', word_candidate: 'candidate', word_fep: 'FEP', word_witness: 'witness', word_active: 'active', word_standby: 'standby',
  word_connecting: 'connecting', word_down: 'down', word_main: 'main', word_held: 'held', word_waiting: 'waits until the client at the other FEP is gone', word_owned: 'owned', word_unowned: 'unowned', word_releasing: 'releasing', word_exclusive: 'exclusive',
  word_main_standby: 'main-standby', word_dual_active: 'dual-active', word_start: 'start', word_claimed: 'claimed', word_manual: 'by hand', word_node_lost: 'node lost', word_channels: 'channels down', word_resumed: 'resumed',
  word_viewer: 'viewer', word_operator: 'operator', word_engineer: 'engineer', word_admin: 'admin',
  word_di: 'state', word_ai: 'analog', word_counter: 'counter', word_bitstring: 'bit pattern',
  word_check_open: 'open', word_check_seen: 'seen', word_check_done: 'done', word_check_by_hand: 'by hand', word_check_failed: 'wrong',
  word_on: 'on', word_off: 'off', word_higher: 'higher', word_lower: 'lower', word_in_between: 'in between', word_indeterminate: 'indeterminate',
  word_invalid: 'invalid', word_not_topical: 'not topical', word_substituted: 'substituted', word_blocked: 'blocked', word_overflow: 'overflow',
};
