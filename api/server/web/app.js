// The page at work: asks the node each second how the station is, follows the
// journal, and sends what an operator asks for.

import {pollFNP} from './fnp.js';
import {Watch} from './problems.js';
import {byId, clock, controlRow, eventRow, h, nodeRow, rtuHead, rtuRow, Rows, uplinkRow} from './tables.js';

const pollEvery = 1000;     // ms
const answerWithin = 3000;  // ms, for the status
const oldAfter = 3500;      // ms without a status, after which what is shown is called old
const silentFor = 40_000;   // ms, of the journal's stream
const keepEvents = 2000;    // of the journal, in memory
const showEvents = 300;     // of them, at most
const showControls = 50;

let status = null;      // the last one
let heard = 0;          // when it came, ms of performance.now()
let lastError = '';
let events = [];        // newest first
let lastEvent = 0;      // number of the newest; 0 before the first
let paused = false;
const watch = new Watch();

const nodeRows = new Rows('node-rows', nodeRow);
const rtuRows = new Rows('rtu-rows', (r) => rtuRow(r, feps(), rtuActions(r)));
const uplinkRows = new Rows('uplink-rows', (u) => uplinkRow(u, uplinkActions(u)));
const eventRows = new Rows('event-rows', eventRow);
const controlRows = new Rows('control-rows', controlRow);

// ---- asking the node

// ask is fetch with the token, if there is one; it throws what the node says is
// wrong.
async function ask(path, options = {}) {
  const token = sessionStorage.getItem('token');
  const headers = {...options.headers, ...(token && {Authorization: `Bearer ${token}`})};
  const response = await fetch(path, {...options, headers});
  if (response.ok) return response;
  if (response.status === 401) {
    await login();
    return ask(path, options);
  }
  let message = `${response.status} ${response.statusText}`;
  try {
    message = (await response.json()).error;
  } catch { /* what answers is not the node */ }
  throw Object.assign(new Error(message), {status: response.status});
}

let loggingIn = null;

// login asks for a token, once for all who need one.
function login() {
  loggingIn ??= new Promise((resolve) => {
    sessionStorage.removeItem('token');
    const dialog = byId('login');
    dialog.addEventListener('close', () => {
      sessionStorage.setItem('token', byId('token').value.trim());
      byId('token').value = '';
      loggingIn = null;
      resolve();
    }, {once: true});
    dialog.showModal();
  });
  return loggingIn;
}

async function poll() {
  try {
    const response = await ask('v1/status', {signal: loggingIn ? undefined : AbortSignal.timeout(answerWithin)});
    status = await response.json();
    heard = performance.now();
    lastError = '';
    if (status.journal.last < lastEvent) { // the station's state was restored from a snapshot
      lastEvent = 0;
      events = [];
    }
  } catch (e) {
    lastError = e.name === 'TimeoutError' ? `no answer within ${answerWithin / 1000} s` : e.message;
  }
  show();
  setTimeout(poll, pollEvery);
}

// follow reads the journal's newest part and then each event as it comes. A
// stream that is silent for long is lost, since the node says every 15 s that it
// is there.
async function follow() {
  const lost = new AbortController();
  let silence;
  try {
    if (lastEvent === 0) {
      const page = await (await ask(`v1/events?limit=${showEvents}`)).json();
      lastEvent = page.last;
      take(page.events);
      showJournal();
    }
    const response = await ask(`v1/events/stream?after=${lastEvent}`, {signal: lost.signal});
    const stream = response.body.pipeThrough(new TextDecoderStream()).getReader();
    byId('journal-state').textContent = 'live';
    for (let rest = ''; ;) {
      clearTimeout(silence);
      silence = setTimeout(() => lost.abort(), silentFor);
      const {value, done} = await stream.read();
      if (done || lastEvent === 0) break;
      const blocks = (rest + value).split('\n\n');
      rest = blocks.pop();
      take(blocks.flatMap((b) => b.split('\n').filter((l) => l.startsWith('data: ')).map((l) => JSON.parse(l.slice(6)))));
    }
  } catch { /* the verdict says that the node does not answer */ }
  clearTimeout(silence);
  lost.abort();
  byId('journal-state').textContent = 'interrupted';
  setTimeout(follow, pollEvery);
}

// take adds events, oldest first, to what is known.
function take(more) {
  if (more.length === 0) return;
  lastEvent = more[more.length - 1].seq;
  events = [...more.reverse(), ...events].slice(0, keepEvents);
  if (more.some((e) => e.note?.kind === 'control')) showControlsSoon();
  if (!paused) showEventsSoon();
}

const showEventsSoon = soon(showJournal);
const showControlsSoon = soon(async () => {
  const list = await (await ask(`v1/controls?limit=${showControls}`)).json();
  controlRows.show(list.reverse(), (c) => c.id, 7, 'No control was sent lately.');
});

// soon has f called once, a moment later, however often it is asked for.
function soon(f) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    setTimeout(async () => {
      waiting = false;
      try {
        await f();
      } catch { /* shown by the next poll */ }
    }, 200);
  };
}

// ---- showing

function show() {
  const age = performance.now() - heard;
  const stale = !status || (lastError !== '' && age > oldAfter);
  document.body.classList.toggle('stale', stale);
  const problems = status ? watch.judge(status, performance.now()) : [];
  if (stale) {
    const since = status ? ` What is shown below is ${Math.round(age / 1000)} s old.` : '';
    problems.unshift({level: 'bad', text: `This node does not answer (${lastError || 'yet'}).${since} Try another node's page.`});
  }
  showVerdict(problems);
  if (!status || lastError !== '') return;

  byId('title').textContent = `${status.name || 'Station'} (${status.station})`;
  byId('seen').textContent = `as ${status.node} sees it at ${clock(Date.now())}`;
  nodeRows.show(status.nodes.map((n) => ({...n, here: n.id === status.node, unknown: !n.alive && !status.quorum})), (n) => n.id, 7, 'No node is known.');
  byId('raft').textContent = `Leader ${status.leader || 'none'}, term ${status.term}, ${status.commit_index} entries committed. Journal: events ${status.journal.first} to ${status.journal.last}.`;
  showRTUs();
  uplinkRows.show(status.uplinks.map(withFEPs), (u) => `${u.name}/${u.group}`, 8, 'No uplink is configured.');
}

function showVerdict(problems) {
  const count = (level) => problems.filter((p) => p.level === level).length;
  const bad = count('bad');
  const warn = count('warn');
  const level = bad > 0 ? 'bad' : warn > 0 ? 'warn' : status ? 'good' : '';
  const words = {
    bad: `✖ ${bad} ${bad === 1 ? 'problem' : 'problems'}${warn > 0 ? `, ${warn} ${warn === 1 ? 'warning' : 'warnings'}` : ''}`,
    warn: `▲ ${warn} ${warn === 1 ? 'warning' : 'warnings'}: the station works`,
    good: '● All is well', '': 'Asking the node …',
  }[level];
  byId('problems').className = level;
  if (byId('verdict').textContent !== words) byId('verdict').textContent = words;
  document.title = `${words.split(':')[0]} – ${status?.name || 'fepha'}`;
  const text = JSON.stringify(problems);
  if (byId('problem-list').dataset.shown === text) return;
  byId('problem-list').dataset.shown = text;
  byId('problem-list').replaceChildren(...problems.map((p) => h('li', {class: p.level}, p.text)));
}

const feps = () => status.nodes.filter((n) => n.role === 'fep').map((n) => n.id);

// withFEPs adds to what a row shows what its buttons depend on too.
const withFEPs = (x) => ({...x, alive: status.nodes.map((n) => n.alive)});

let headOf = '';

function showRTUs() {
  if (headOf !== feps().join()) {
    headOf = feps().join();
    byId('rtu-head').replaceChildren(rtuHead(feps()));
  }
  const words = byId('rtu-filter').value.toLowerCase().split(/\s+/).filter(Boolean);
  const list = status.rtus.filter((r) => (!byId('rtu-bad').checked || r.level !== '') &&
    words.every((w) => `${r.number} ${r.name} ${r.owner} ${r.pinned}`.toLowerCase().includes(w))).map(withFEPs);
  byId('rtu-count').textContent = list.length === status.rtus.length ? `${list.length}` : `${list.length} of ${status.rtus.length}`;
  rtuRows.show(list, (r) => r.number, 6 + feps().length, status.rtus.length === 0 ? 'No RTU is configured.' : 'None.');
}

const eventKinds = {
  all: () => true,
  note: (e) => e.kind === 'note',
  point: (e) => e.kind !== 'note',
  control: (e) => e.note?.kind === 'control',
};

function showJournal() {
  const kind = eventKinds[byId('event-kind').value];
  const text = byId('event-filter').value.toLowerCase();
  const list = [];
  for (const e of events) {
    if (kind(e) && e.text.toLowerCase().includes(text) && list.push(e) === showEvents) break;
  }
  eventRows.show(list, (e) => e.seq, 3, events.length === 0 ? 'No event yet.' : `None of the newest ${events.length} events.`);
}

// ---- doing

function rtuActions(r) {
  const name = `RTU ${r.number}${r.name ? ` (${r.name})` : ''}`;
  const pin = r.pinned ? {
    label: 'Unpin', title: `Unpin ${name}`,
    act: () => confirmed(`Unpin ${name}?`, `It may be moved to another FEP by itself again.`, 'Unpin', `v1/rtus/${r.number}/unpin`, {}),
  } : {
    label: 'Pin', title: `Pin ${name} to ${r.owner}`, disabled: !r.owner,
    act: () => confirmed(`Pin ${name} to ${r.owner}?`, `It stays on ${r.owner}, even if its channels fail there and the other FEP could reach it, until it is unpinned.`, 'Pin', `v1/rtus/${r.number}/pin`, {to: r.owner}),
  };
  return [...moves(r, `v1/rtus/${r.number}/failover`, name, `${r.owner} closes its links to the device, and then the other FEP connects. Data stops for a moment; nothing is lost.`, 'Move'), pin];
}

function uplinkActions(u) {
  if (u.mode === 'dual-active') return [];
  const name = `${u.name}/${u.group}`;
  return moves(u, `v1/uplinks/${encodeURIComponent(u.name)}/${encodeURIComponent(u.group)}/release`, name,
    `${u.owner} closes the control centre's live link. The control centre has to start on the other FEP, and goes on where its last acknowledgement stood.`, 'Release');
}

// moves are the buttons that move a resource to each other FEP.
function moves(r, path, name, text, verb) {
  return status.nodes.filter((n) => n.role === 'fep' && n.id !== r.owner).map((n) => ({
    label: `${verb} to ${n.id}`, title: `${verb} to ${n.id}: ${name}`,
    disabled: !n.alive || r.phase !== 'owned' || (r.pinned !== undefined && r.pinned !== '' && r.pinned !== n.id),
    act: () => confirmed(`${verb} ${name} to ${n.id}?`, text, `${verb} to ${n.id}`, path, {to: n.id}),
  }));
}

let asked = null; // what the open dialog is about

// confirmed asks the operator, and if it's a yes has the node do it.
function confirmed(title, text, yes, path, body) {
  asked = {what: title.replace('?', ''), path, body};
  byId('ask-title').textContent = title;
  byId('ask-text').textContent = text;
  byId('ask-yes').textContent = yes;
  byId('ask').showModal();
}

byId('ask-form').addEventListener('submit', (e) => {
  if (e.submitter?.value === 'yes') carryOut(asked);
});

// carryOut has the node do it, and says what came of it.
async function carryOut({what, path, body}) {
  const done = byId('done');
  done.textContent = `${what}: asked …`;
  try {
    await ask(path, {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)});
    done.textContent = `${what}: the station has begun at ${clock(Date.now())}; see the journal.`;
  } catch (e) {
    done.textContent = `${what}: not done: ${e.message}`;
  }
}

byId('rtu-filter').addEventListener('input', () => status && showRTUs());
byId('rtu-bad').addEventListener('change', () => status && showRTUs());
byId('event-kind').addEventListener('change', showJournal);
byId('event-filter').addEventListener('input', showJournal);
byId('event-pause').addEventListener('click', () => {
  paused = !paused;
  byId('event-pause').setAttribute('aria-pressed', String(paused));
  byId('event-pause').textContent = paused ? 'Go on' : 'Pause';
  if (!paused) showJournal();
});

poll();
follow();
showControlsSoon();
pollFNP(ask);
