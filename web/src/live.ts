// What the page knows of the station. It comes as a stream of changes from one node; when that node is silent, the page
// goes to another one.

import {batch, computed, signal} from '@preact/signals';

import {Refusal, listen, locked} from './api';
import {language} from './i18n';
import type {Condition, Node, RTU, Station, Uplink} from './types';

const silentAfter = 20_000; // ms; the node says at least every 15 s that it is there
const retryAfter = 1_000;   // ms
const leaveAfter = 2_500;   // ms without the node, after which the others are tried

type Parts = Map<string, unknown>;
const parts = signal<Parts>(new Map());

// state is whether what is shown is known to be so. Nothing is shown as good unless it is 'live'.
export const state = signal<'connecting' | 'live' | 'lost'>('connecting');
export const lostSince = signal(0);
export const lostWhy = signal('');

const one = <T>(name: string) => computed(() => parts.value.get(name) as T | undefined);

// all is every part below a prefix. Its elements are the same objects until they change.
function all<T>(prefix: string, order: (a: T, b: T) => number) {
  let before: T[] = [];
  return computed(() => {
    const list: T[] = [];
    for (const [name, part] of parts.value) if (name.startsWith(prefix)) list.push(part as T);
    list.sort(order);
    if (list.length === before.length && list.every((p, i) => p === before[i])) return before;
    return (before = list);
  });
}

export const station = one<Station>('station');
export const journal = one<{first: number; last: number; events: number; entries: number}>('journal');
export const nodes = all<Node>('nodes/', (a, b) => a.host - b.host);
export const feps = computed(() => nodes.value.filter((n) => n.role === 'fep'));
export const rtus = all<RTU>('rtus/', (a, b) => a.number - b.number);
export const uplinks = all<Uplink>('uplinks/', (a, b) => (a.name + a.group < b.name + b.group ? -1 : 1));
export const conditions = all<Condition>('conditions/', (a, b) => rank(a) - rank(b) || b.since_ms - a.since_ms);

const rank = (c: Condition) => (c.acknowledged_by ? 2 : 0) + (c.severity === 'alarm' ? 0 : 1);

// known is false when what is shown may no longer be so: the node is silent, or it has no quorum.
export const known = computed(() => state.value === 'live' && (station.value?.quorum ?? false));

interface Message { whole: boolean; set: Record<string, unknown>; gone: string[]; code?: string }

// code is by which the page goes on at another node with its session. It is nowhere but here.
let code = '';
export const forgetCode = () => { code = ''; };

function take(m: Message) {
  if (m.code) code = m.code;
  const next: Parts = m.whole ? new Map() : new Map(parts.value);
  for (const [name, part] of Object.entries(m.set)) next.set(name, part);
  for (const name of m.gone) next.delete(name);
  batch(() => {
    parts.value = next;
    state.value = 'live';
    lostWhy.value = '';
  });
}

const pause = (ms: number) => new Promise((resume) => { setTimeout(resume, ms); });

// follow keeps the stream for as long as the page is open.
export async function follow() {
  lostSince.value = Date.now();
  for (;;) {
    if (locked.value) {
      await pause(retryAfter);
      continue;
    }
    const lost = new AbortController();
    let silence = setTimeout(() => lost.abort(new Error('silent')), silentAfter);

    const spoken = language.value;
    const leave = language.subscribe((l) => { if (l !== spoken) lost.abort(new Error('language')); });
    try {
      await listen<Message>(`v1/live?lang=${spoken}`, take, lost.signal, () => {
        clearTimeout(silence);
        silence = setTimeout(() => lost.abort(new Error('silent')), silentAfter);
      });
    } catch (e) {
      lostWhy.value = e instanceof Refusal ? e.message : '';
    }
    clearTimeout(silence);
    leave();
    lost.abort();
    if (language.value !== spoken) continue;
    if (state.value !== 'lost') {
      batch(() => {
        state.value = parts.value.size ? 'lost' : 'connecting';
        lostSince.value = Date.now();
      });
    }
    await pause(retryAfter);
    if (Date.now() - lostSince.value > leaveAfter && !locked.value && lostWhy.value === '') await tryOthers();
  }
}

// tryOthers asks the other nodes whether they are there, and goes to the first that is. What is chosen on the page stays
// in its address.
async function tryOthers() {
  for (const n of nodes.value) {
    if (!n.api || n.id === station.value?.node) continue;
    const base = `${location.protocol}//${n.api}`;
    try {
      await fetch(`${base}/livez`, {mode: 'no-cors', signal: AbortSignal.timeout(2000)});
    } catch {
      continue;
    }
    if (code && nodes.value.some((o) => o.api === location.host)) goOn(base);
    else location.replace(`${base}/${location.hash}`);
    await pause(10_000);
  }
}

// goOn goes to another node with the session. A cookie that is SameSite=Strict is set there only if the browser goes there with the
// request that asks for it, and in an address the code would be seen: so it is a form.
function goOn(base: string) {
  const form = document.createElement('form');
  form.method = 'post';
  form.action = `${base}/v1/session/take`;
  form.autocomplete = 'off';
  for (const [name, value] of [['code', code], ['at', location.hash]]) {
    const field = document.createElement('input');
    field.type = 'hidden';
    field.name = name;
    field.value = value;
    form.append(field);
  }
  forgetCode();
  document.body.append(form);
  form.submit();
}
