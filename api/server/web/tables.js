// The page's tables. Nothing is ever written as HTML: names come from devices,
// tables and operators.

// h makes an element. Attributes that are null or false are left out.
export function h(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === 'onclick') e.addEventListener('click', value);
    else if (value !== null && value !== false && value !== undefined) e.setAttribute(name, value === true ? '' : value);
  }
  e.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return e;
}

export const byId = (id) => document.getElementById(id);

// Rows keeps a table's body in step with a list. A row is made anew only if what
// it shows has changed, so that focus and selection stay where they are.
export class Rows {
  #body;
  #make;
  #shown = new Map();

  constructor(id, make) {
    this.#body = byId(id);
    this.#make = make;
  }

  show(items, key, columns, empty) {
    const next = new Map();
    let after = null;
    for (const item of items) {
      const k = key(item);
      const text = JSON.stringify(item);
      let row = this.#shown.get(k);
      if (!row || row.text !== text) {
        const element = this.#make(item);
        if (row) {
          const focused = row.element.contains(document.activeElement) ? document.activeElement.textContent : null;
          row.element.replaceWith(element);
          if (focused !== null) [...element.querySelectorAll('button')].find((b) => b.textContent === focused)?.focus();
        }
        row = {text, element};
      }
      const place = after ? after.nextSibling : this.#body.firstChild;
      if (place !== row.element) this.#body.insertBefore(row.element, place);
      after = row.element;
      next.set(k, row);
    }
    for (const [k, row] of this.#shown) if (!next.has(k)) row.element.remove();
    this.#shown = next;
    this.#body.querySelector('.none')?.remove();
    if (items.length === 0) this.#body.append(h('tr', {class: 'none'}, h('td', {colspan: columns, class: 'quiet'}, empty)));
  }
}

export function state(kind, word) {
  return h('span', {class: `state ${kind}`}, word);
}

const linkKinds = {active: 'good', standby: 'ready', connecting: 'warn', down: 'bad'};

export function nodeRow(n) {
  const remarks = [n.config_differs && 'configuration differs', n.build && `version ${n.build}`].filter(Boolean).join(', ');
  const here = n.here ? ' (this page)' : '';
  const name = n.api && !n.here ? h('a', {href: `${location.protocol}//${n.api}/`}, n.id) : n.id;
  const alive = n.alive ? state('good', 'alive') : n.unknown ? state('warn', 'unknown') : state('bad', 'dead');
  const lease = n.lease ? state('good', 'valid') : n.unknown ? state('warn', 'unknown') : state('bad', 'none');
  return h('tr', {class: n.alive || n.unknown ? '' : 'bad'},
    h('th', {scope: 'row'}, name, h('span', {class: 'quiet'}, here)),
    h('td', null, n.role === 'fep' ? `FEP ${n.host}` : n.role),
    h('td', null, alive),
    h('td', null, n.state === 'leader' ? h('strong', null, 'leader') : n.state || '–'),
    h('td', null, n.role === 'witness' ? '–' : lease),
    h('td', {class: 'time'}, time(n.since_ms)),
    h('td', null, remarks || '–'));
}

export function rtuHead(feps) {
  return h('tr', null, ...['RTU', 'Name', 'State', 'Owner', ...feps.map((f) => `Links of ${f}`), 'Why, since', 'Actions'].map((t) => h('th', {scope: 'col'}, t)));
}

export function rtuRow(r, feps, actions) {
  const links = (fep) => h('ul', {class: 'links'}, ...r.channels.flatMap((c) => c.links.map((l, i) =>
    h('li', {title: l.address}, `${c.channel}:${i + 1} `, state(linkKinds[l[fep]] ?? 'bad', l[fep] ?? 'down')))));
  const owner = r.phase === 'releasing' ? `${r.owner} → ${r.target}` : r.owner || 'nobody';
  return h('tr', {class: r.level},
    h('th', {scope: 'row'}, String(r.number)),
    h('td', null, r.name),
    h('td', null, r.online ? state('good', 'online') : state('bad', 'offline'), h('div', {class: 'quiet'}, r.online_since_ms ? `since ${time(r.online_since_ms)}` : '')),
    h('td', null, h('strong', null, owner), h('div', {class: 'quiet'}, r.pinned ? `pinned to ${r.pinned}` : `epoch ${r.epoch}`)),
    ...feps.map((f) => h('td', null, links(f))),
    h('td', null, r.reason || '–', h('div', {class: 'quiet'}, time(r.since_ms))),
    h('td', null, ...actions.map(actionButton)));
}

export function uplinkRow(u, actions) {
  const kinds = {main: 'good', standby: 'ready', held: 'warn'};
  const links = u.links.length === 0 ? state('bad', 'not connected') : h('ul', {class: 'links'}, ...u.links.map((l) =>
    h('li', null, state(kinds[l.role] ?? 'warn', l.role), ` ${l.client} on ${l.node}`)));
  return h('tr', {class: u.level},
    h('th', {scope: 'row'}, `${u.name}/${u.group}`, h('div', {class: 'quiet'}, u.mode)),
    h('td', null, h('strong', null, u.owner || 'nobody'), h('div', {class: 'quiet'}, `epoch ${u.epoch}`)),
    h('td', null, links),
    h('td', {class: 'number'}, String(u.backlog)),
    h('td', {class: 'number'}, u.dropped > 0 ? state('bad', String(u.dropped)) : '0'),
    h('td', {class: 'number'}, String(u.cursor)),
    h('td', null, u.reason || '–', h('div', {class: 'quiet'}, time(u.since_ms))),
    h('td', null, ...actions.map(actionButton)));
}

function actionButton(a) {
  return h('button', {type: 'button', onclick: a.act, disabled: a.disabled, title: a.title, 'aria-label': a.title}, a.label);
}

export function eventRow(e) {
  const shouts = /DEAD|OFFLINE|FAILED|DROPPED/.test(e.text);
  return h('tr', {class: e.kind === 'note' ? 'note' : ''},
    h('td', {class: 'number'}, String(e.seq)),
    h('td', {class: 'time'}, time(e.time_ms, true)),
    h('td', null, shouts ? h('span', {class: 'state bad text'}, e.text) : e.text));
}

export function controlRow(c) {
  const outcome = c.stage !== 'done' ? state('warn', c.stage) : c.ok ? state('good', 'ok') : state('bad', `failed: ${c.reason}`);
  return h('tr', null,
    h('td', {class: 'time'}, time(c.submitted_ms, true)),
    h('th', {scope: 'row'}, `${c.rtu}/${c.kind}/${c.point}`, h('div', {class: 'quiet'}, c.name)),
    h('td', null, c.state || String(c.value)),
    h('td', null, c.origin),
    h('td', null, c.phase),
    h('td', null, outcome),
    h('td', null, c.node || '–'));
}

const digits = (n, width = 2) => String(n).padStart(width, '0');

// clock is the time of day of an instant, ms since 1970, in the browser's zone.
export function clock(ms) {
  const d = new Date(ms);
  return `${digits(d.getHours())}:${digits(d.getMinutes())}:${digits(d.getSeconds())}`;
}

// time is an instant with its day, unless that is today; precise: always, and
// with milliseconds.
function time(ms, precise) {
  if (!ms) return '–';
  const d = new Date(ms);
  const day = `${d.getFullYear()}-${digits(d.getMonth() + 1)}-${digits(d.getDate())} `;
  const today = new Date().toDateString() === d.toDateString();
  return (today && !precise ? '' : day) + clock(ms) + (precise ? `.${digits(d.getMilliseconds(), 3)}` : '');
}
