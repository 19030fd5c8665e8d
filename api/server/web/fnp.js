// The section about FNP: the channel table as this node has it. It is asked for
// less often than the status, and shown only where the station has FNP.

import {byId, h, Rows, state} from './tables.js';

const pollEvery = 2000;  // ms
const showStations = 500;

const rows = new Rows('fnp-rows', row);
let table = {stations: []};
let total = 0;

// pollFNP asks the node, again and again, until it says that there is no FNP.
export async function pollFNP(ask) {
  try {
    const about = await (await ask('v1/fnp')).json();
    table = await (await ask(`v1/fnp/table?limit=${showStations}`)).json();
    total = about.centre.stations;
    byId('fnp').hidden = byId('fnp-link').hidden = false;
    byId('fnp-state').textContent = describe(about);
    show();
  } catch (e) {
    if (e.status === 404) return;
    byId('fnp-state').textContent = `not known just now: ${e.message}`;
  }
  setTimeout(() => pollFNP(ask), pollEvery);
}

function describe({centre: c, endpoint: e, node}) {
  const parts = [`Centre ${c.id} (${c.name}), level ${c.level}: ${c.leader || 'nobody'} leads${c.defers ? `, and defers to the centre at ${c.defers_to}` : ''}.`,
    `${c.online} of ${c.stations} stations are online${c.contested > 0 ? `, ${c.contested} ids are claimed twice` : ''}.`];
  if (e) parts.push(`The pair's endpoint ${e.id} is on ${e.owner || 'no FEP'}${e.address ? ` at ${e.address}` : ''}.`);
  const dropped = c.counters.malformed + c.counters.wrong_key + c.counters.replayed;
  if (dropped > 0) parts.push(`${node} has dropped ${dropped} datagrams, ${c.counters.wrong_key} of them for a wrong key.`);
  return parts.join(' ');
}

function show() {
  const words = byId('fnp-filter').value.toLowerCase().split(/\s+/).filter(Boolean);
  const list = table.stations.filter((s) => words.every((w) => `${s.cn} ${s.id} ${s.name} ${s.addr} ${s.online ? 'online' : 'offline'}`.toLowerCase().includes(w)))
    .map((s) => ({...s, time: duration(s.time)}));
  const asked = table.stations.length < total ? `the first ${table.stations.length} of ${total}: fepha fnp table has all` : `${total}`;
  byId('fnp-count').textContent = list.length === table.stations.length ? asked : `${list.length} of ${asked}`;
  rows.show(list, (s) => s.cn, 7, table.stations.length === 0 ? 'No station has registered.' : 'None.');
}

function row(s) {
  const remark = !s.contested ? '–' : state('warn', s.rival ? `${s.rival.name || 'another station'} at ${s.rival.addr}:${s.rival.port} claims this id` : 'another station claims this id');
  return h('tr', {class: s.contested ? 'warn' : ''},
    h('td', {class: 'number'}, String(s.cn)),
    h('th', {scope: 'row', class: 'number'}, String(s.id)),
    h('td', null, s.name),
    h('td', {class: 'number'}, String(s.level)),
    h('td', null, s.addr.includes(':') ? `[${s.addr}]:${s.port}` : `${s.addr}:${s.port}`),
    h('td', null, s.online ? state('good', 'online') : state('bad', 'offline'), h('div', {class: 'quiet'}, `${s.time} in all`)),
    h('td', null, remark));
}

function duration(s) {
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} days`;
}

byId('fnp-filter').addEventListener('input', show);
