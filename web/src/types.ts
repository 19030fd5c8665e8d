// What the node answers; see api/README.md of the project. Numbers ending in _ms are ms, instants since 1970-01-01 UTC.

export interface Station {
  known: boolean; station: number; name: string; time_zone: string; node: string; leader: string; term: number; quorum: boolean;
  outside?: boolean;
}

export interface Node {
  id: string; host: number; role: 'fep' | 'witness'; state: string; alive: boolean; lease: boolean; since_ms: number; api: string;
  config_differs?: boolean; build?: string; stopping?: boolean; maintenance?: boolean; clock_ms?: number;
}

export type Link = {address: string} & Record<string, string>;

export interface RTU {
  number: number; name: string; common_address?: number; sharing?: number[]; owner: string; epoch: number; phase: string; since_ms: number; reason: string; pinned: string;
  target?: string; online: boolean; online_since_ms: number; channels: {channel: number; links: Link[]}[];
}

export interface Uplink {
  name: string; group: string; common_addresses?: number[]; mode: string; owner: string; epoch: number; phase: string; since_ms: number; reason: string;
  links: {node: string; client: string; role: string}[]; cursor: number; backlog: number; dropped: number;
}

export interface Condition {
  id: string; severity: 'alarm' | 'warning'; resource: string; node: string; since_ms: number; text: string; advice: string;
  text_zh: string; advice_zh: string; count: number; acknowledged_by: string; docs?: string; stale?: boolean;
}

export type Value = number | 'NaN' | 'Infinity' | '-Infinity';

export interface Note {
  kind: string; severity?: string; resource?: string; epoch?: number; from?: string; to?: string; reason?: string; origin?: string; ok?: boolean;
  detected_ms?: number; elected_ms?: number; leased_ms?: number; connected_ms?: number; first_data_ms?: number;
}

export interface Event {
  seq: number; time_ms: number; text: string; text_zh: string; rtu?: number; kind: string; point?: number; type?: number; value: Value; quality: number;
  note?: Note;
}

export interface EventPage { first: number; last: number; events: Event[]; scanned: number; more: boolean }

export interface Point {
  value_text: string; value_text_zh: string; quality_text: string; quality_text_zh: string;
  rtu: number; kind: string; point: number; name: string; unit?: string; value: Value; quality: number; type: number; time_ms: number;
  seq: number; state?: string; override?: Override; uplinks?: {uplink: string; common_address: number; ioa: number; type: number}[];
}

export interface CheckItem {
  kind: string; point: number; name: string; unit?: string; ioa?: number; state: 'open' | 'seen' | 'done' | 'by hand' | 'failed';
  samples: {time_ms: number; value_text: string; value_text_zh: string; quality_text: string; quality_text_zh: string; seq?: number; acked_ms?: number; origin?: string}[];
  said_by?: string; said_ms?: number; remark?: string;
}

export interface Check {
  rtu: number; name: string; uplink: string; group: string; by: string; started_ms: number; ended_ms: number; points: number; done: number; seen: number;
  failed: number; items?: CheckItem[];
}

export interface ListPoint { point?: string; line?: number; name: string; type: number }

export interface Comparison {
  uplink: string; here: number; there: number; same: number; differences: {common_address?: number; ioa: number; here: ListPoint | null; there: ListPoint | null; name: boolean; type: boolean}[];
}

export interface Export {
  name: string; kind: string; target: string; owner: string; phase: string; events: boolean; audit: boolean; backlog: number; dropped: number; paused: boolean;
  reach: {node: string; ok: boolean; reason?: string; since_ms: number}[]; stale?: boolean;
}

export interface Trend { complete_from_ms: number; now_ms: number; samples: {time_ms: number; value: Value; quality: number}[] }

export interface Override {
  mode: 'blocked' | 'substituted'; reason: string; by: string; since_ms: number; answered: boolean; device_text: string; device_text_zh: string;
  device_told_times: number;
}

export interface Operable { rtu: number; kind: string; point: number; name: string; type: number; category: string; unit?: string }

export interface Control {
  id: string; ok: boolean; reason: string; stage: string; submitted_ms: number; done_ms: number; deadline_ms: number; value: Value; state?: string;
}

export interface TraceLine { time_ms?: number; link?: string; direction?: string; text?: string; octets?: string; dropped?: number }

// Vitals is how a node's program and its machine are: octets, thousandths of a core, us.
export interface Vitals {
  memory: number; cpu_permille: number; fsync_us: number; disk_free: number; disk_size: number; certificate_ends_ms: number;
  clock_synchronised: boolean | null; reaches: string[]; misses: string[];
}

export interface RaftPeer extends Node { address: string; voter: boolean; applied_index: number; last_contact_ms: number; digest?: string; vitals?: Vitals }

export interface Raft {
  node: string; state: string; leader: string; term: number; commit_index: number; applied_index: number; last_index: number;
  quorum: boolean; lease: boolean; lease_left_ms: number; commit_p50_us: number; commit_p99_us: number; level: number; newest_level: number; peers: RaftPeer[];
}

// Problem is what is wrong with a configuration, or likely not meant, in one place; line and column from 1, 0 for the file as a whole.
export interface Problem { file: string; line: number; column: number; key: string; problem: string; expected: string }

export interface ConfigReply {
  digest: string; applied: boolean; changes: {what: string; how: string; detail: string; drops: string[]; text_zh: string; drops_zh: string[]}[] | null;
  behind: string[] | null; away: string[] | null; warnings_at: Problem[] | null; warnings_total: number;
}

export interface ConfigVersion {
  number: number; digest: string; at_ms: number; node: string; by: string; changes: string[]; changes_zh: string[]; kept: boolean; in_force: boolean;
}
