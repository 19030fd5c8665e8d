// The picture of the station: devices, the two FEPs and the witness, control centres, and which path is live.

import {useLayoutEffect, useRef, useState} from 'preact/hooks';

import {get, post} from '../api';
import {t, word} from '../i18n';
import {feps, journal, known, nodes, rtus, uplinks} from '../live';
import {confirm} from '../parts/ask';
import {LinkState, Mark} from '../parts/marks';
import {address} from '../route';
import {since} from '../time';
import type {Event, EventPage, Node, RTU, Uplink} from '../types';
import {may} from '../who';
import {Row} from './events';
import {useEffect} from 'preact/hooks';
import {language} from '../i18n';

export function StationView() {
  return (
    <>
      <Picture />
      <Newest />
    </>
  );
}

interface Line { d: string; kind: 'live' | 'standby' | 'down' | 'moving'; id: string }

// Picture has three columns of cards, and behind them the lines from card to card, drawn where the cards are.
function Picture() {
  const box = useRef<HTMLDivElement>(null);
  const [lines, setLines] = useState<Line[]>([]);
  const draw = () => { if (box.current) setLines(linesOf(box.current)); };
  useLayoutEffect(draw, [rtus.value, uplinks.value, nodes.value, language.value]);
  useEffect(() => {
    const watch = new ResizeObserver(draw);
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, []);
  const witnesses = nodes.value.filter((n) => n.role === 'witness');
  return (
    <section class="picture" ref={box} aria-label={t('picture')}>
      <svg class="lines" aria-hidden="true">
        {lines.map((l) => <path key={l.id} class={`line ${l.kind}`} d={l.d} />)}
      </svg>
      <div class="column" aria-label={t('devices')}>
        <h2>{t('devices')}</h2>
        {rtus.value.map((r) => <Device key={r.number} r={r} />)}
      </div>
      <div class="column fep-column" aria-label={t('nodes')}>
        <h2>{t('nodes')}</h2>
        {feps.value.map((n) => <NodeCard key={n.id} n={n} />)}
        {witnesses.map((n) => <NodeCard key={n.id} n={n} />)}
      </div>
      <div class="column" aria-label={t('control_centres')}>
        <h2>{t('control_centres')}</h2>
        {uplinks.value.map((u) => <Centre key={`${u.name}/${u.group}`} u={u} />)}
      </div>
    </section>
  );
}

// linesOf draws a line from each device to each FEP, and from each FEP to the centres whose clients it serves.
function linesOf(box: HTMLElement): Line[] {
  const frame = box.getBoundingClientRect();
  const place = (id: string) => box.querySelector(`[data-card="${CSS.escape(id)}"]`)?.getBoundingClientRect();
  const lines: Line[] = [];
  const connect = (id: string, left: string, right: string, kind: Line['kind'], at = 0.5) => {
    const a = place(left);
    const b = place(right);
    if (!a || !b || a.right >= b.left) return; // one below the other, on a narrow screen
    const [x1, y1, x2, y2] = [a.right - frame.left, a.top + a.height / 2 - frame.top, b.left - frame.left, b.top + b.height * at - frame.top];
    const bend = (x2 - x1) / 2;
    lines.push({id, kind, d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`});
  };
  for (const r of rtus.value) {
    for (const f of feps.value) {
      const states = r.channels.flatMap((c) => c.links.map((l) => l[f.id]));
      const kind = r.owner === f.id && r.phase === 'releasing' ? 'moving'
        : r.owner === f.id && states.includes('active') ? 'live'
          : states.some((s) => s === 'standby' || s === 'active') ? 'standby' : 'down';
      connect(`rtu/${r.number}/${f.id}`, `rtu/${r.number}`, `node/${f.id}`, kind);
    }
  }
  for (const u of uplinks.value) {
    for (const c of u.links) {
      connect(`uplink/${u.name}/${u.group}/${c.node}/${c.client}`, `node/${c.node}`, `uplink/${u.name}/${u.group}`, c.role === 'main' ? 'live' : 'standby');
    }
  }
  return lines;
}

const nameOf = (r: RTU) => `RTU ${r.number} (${r.name})`;

function Device({r}: {r: RTU}) {
  const tone = !known.value ? 'unknown' : r.online ? 'good' : 'bad';
  const others = feps.value.filter((f) => f.id !== r.owner);
  const what = nameOf(r);
  return (
    <article class={`card ${tone}`} data-card={`rtu/${r.number}`} id={`rtu-${r.number}`}>
      <h3><Mark tone={tone} /> <bdi>{r.number} {r.name}</bdi> {!r.online && known.value && <strong class="bad-text">{t('offline')}</strong>}</h3>
      <p class="owner">{t('owner')}: <strong>{r.owner || t('nobody')}</strong> <span class="dim">{word(r.reason)}, {since(r.since_ms)}</span></p>
      {r.common_address !== undefined && <p class="dim" data-sector={r.number}>{t('common_address')} {r.common_address}{r.sharing && ` · ${t('behind_one', {rtus: r.sharing.join(', ')})}`}</p>}
      {r.target && <p><Mark tone="warn">{t('moving', {node: r.target})}</Mark></p>}
      {r.pinned && <p><Mark tone="warn">{t('pinned', {node: r.pinned})}</Mark></p>}
      <table class="links">
        <caption class="hidden">{what}</caption>
        <thead><tr><th scope="col">{t('link')}</th>{feps.value.map((f) => <th key={f.id} scope="col">{f.id}</th>)}</tr></thead>
        <tbody>
          {r.channels.flatMap((c) => c.links.map((l, i) => (
            <tr key={`${c.channel}:${i}`}>
              <th scope="row" title={l.address}>{c.channel}:{i + 1}</th>
              {feps.value.map((f) => <td key={f.id}>{known.value ? <LinkState state={l[f.id]} /> : <Mark tone="unknown">{t('not_known')}</Mark>}</td>)}
            </tr>
          )))}
        </tbody>
      </table>
      <div class="buttons">
        {may('operator') && others.map((f) => (
          <button key={f.id} type="button" disabled={!known.value || !f.alive || r.pinned !== ''} onClick={() => move(r, f)}>{t('move_to', {node: f.id})}</button>
        ))}
        {may('operator') && (r.pinned
          ? <button type="button" disabled={!known.value} onClick={() => unpin(r)}>{t('unpin')}</button>
          : <button type="button" disabled={!known.value || !r.owner} onClick={() => pin(r)}>{t('pin')}</button>)}
        <a class="button" href={address('events', {rtu: String(r.number)})}>{t('events')}</a>
        <a class="button" href={address('points', {rtu: String(r.number)})}>{t('points')}</a>
        {may('engineer') && <a class="button" href={address('frames', {of: `rtu/${r.number}`})}>{t('frames')}</a>}
      </div>
    </article>
  );
}

function move(r: RTU, f: Node) {
  confirm(t('ask_move', {what: nameOf(r), node: f.id}), t('ask_move_why', {from: r.owner || t('nobody'), node: f.id}), async () => {
    await post(`v1/rtus/${r.number}/failover`, {to: f.id});
    return `${nameOf(r)}: ${t('moving', {node: f.id})}`;
  });
}

function pin(r: RTU) {
  confirm(t('ask_pin', {what: nameOf(r), node: r.owner}), t('ask_pin_why', {node: r.owner}), async () => {
    await post(`v1/rtus/${r.number}/pin`, {});
    return `${nameOf(r)}: ${t('pinned', {node: r.owner})}`;
  });
}

function unpin(r: RTU) {
  confirm(t('ask_unpin', {what: nameOf(r)}), t('ask_unpin_why'), async () => {
    await post(`v1/rtus/${r.number}/unpin`, {});
    return `${nameOf(r)}: ${t('unpin')}`;
  });
}

function NodeCard({n}: {n: Node}) {
  const tone = !known.value ? 'unknown' : !n.alive ? 'bad' : n.role === 'fep' && !n.lease ? 'warn' : 'good';
  return (
    <article class={`card node ${tone} ${n.role}`} data-card={`node/${n.id}`} id={`node-${n.id}`}>
      <h3><Mark tone={tone} /> {n.id}</h3>
      <p>{word(n.role)}{n.state === 'leader' && known.value && <strong> · {t('leader')}</strong>}</p>
      <p class="dim">{known.value ? (n.alive ? t('alive') : <strong class="bad-text">{t('dead')}</strong>) : t('not_known')} {since(n.since_ms)}
        {n.role === 'fep' && known.value && <> · {t(n.lease ? 'lease' : 'no_lease')}</>}</p>
      {n.config_differs && <p><Mark tone="warn">{t('config_differs')}</Mark></p>}
    </article>
  );
}

function Centre({u}: {u: Uplink}) {
  const main = u.links.some((l) => l.role === 'main');
  const tone = !known.value ? 'unknown' : main ? (u.dropped ? 'warn' : 'good') : 'bad';
  const name = `${u.name}/${u.group}`;
  return (
    <article class={`card ${tone}`} data-card={`uplink/${name}`} id={`uplink-${u.name}-${u.group}`}>
      <h3><Mark tone={tone} /> <bdi>{u.name === u.group ? u.name : name}</bdi> <span class="dim">{word(u.mode)}</span></h3>
      {u.links.length === 0 && <p class="bad-text">{t('not_connected')}</p>}
      {u.links.map((l) => <p key={l.client + l.node}><Mark tone={!known.value ? 'unknown' : l.role === 'main' ? 'good' : 'idle'}>{t('client_on', {client: l.client, node: l.node, role: word(l.role)})}</Mark></p>)}
      {u.common_addresses && <p class="dim">{t('common_address')} {u.common_addresses.join(', ')}</p>}
      <p class="dim">{t('owner')}: {u.owner || t('nobody')}, {since(u.since_ms)} · {t('backlog', {n: u.backlog.toLocaleString()})}</p>
      {u.dropped > 0 && <p><Mark tone="bad">{t('dropped', {n: u.dropped.toLocaleString()})}</Mark></p>}
      <div class="buttons">
        {may('operator') && <button type="button" disabled={!known.value || !u.owner} onClick={() => release(u)}>{t('release')}</button>}
        {may('engineer') && <a class="button" href={address('frames', {of: `uplink/${name}`})}>{t('frames')}</a>}
      </div>
    </article>
  );
}

function release(u: Uplink) {
  const name = `${u.name}/${u.group}`;
  confirm(t('ask_release', {what: name}), t('ask_release_why'), async () => {
    await post(`v1/uplinks/${encodeURIComponent(u.name)}/${encodeURIComponent(u.group)}/release`, {});
    return `${name}: ${t('release')}`;
  });
}

// Newest are the last few events, as they come.
function Newest() {
  const [events, setEvents] = useState<Event[]>([]);
  const last = journal.value?.last ?? 0;
  useEffect(() => {
    if (!last) return undefined;
    const gone = new AbortController();
    get<EventPage>('v1/events?limit=12', gone.signal).then((p) => setEvents(p.events.reverse()), () => {});
    return () => gone.abort();
  }, [last, language.value]);
  return (
    <section class="newest" aria-label={t('last_events')}>
      <h2>{t('last_events')} <a href={address('events')}>{t('all_events')}</a></h2>
      <div role="table" aria-label={t('last_events')}>{events.map((e) => <div key={e.seq} role="row"><Row e={e} /></div>)}</div>
    </section>
  );
}
