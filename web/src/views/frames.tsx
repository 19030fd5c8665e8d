// The frames of a device's or a control centre's links, decoded, as they go by.

import {useEffect, useMemo, useReducer, useRef, useState} from 'preact/hooks';

import {ask, listen} from '../api';
import {t} from '../i18n';
import {nodes, rtus, station, uplinks} from '../live';
import {tell} from '../parts/ask';
import {List} from '../parts/list';
import {Empty} from '../parts/marks';
import {choose, chosen, address} from '../route';
import {clock} from '../time';
import type {TraceLine} from '../types';
import {save} from './export';

const keep = 20_000;

export function Frames() {
  const of = chosen.value.get('of') ?? '';
  const resources = [
    ...rtus.value.map((r) => ({id: `rtu/${r.number}`, name: `RTU ${r.number} ${r.name}`, owner: r.owner})),
    ...uplinks.value.map((u) => ({id: `uplink/${u.name}/${u.group}`, name: `${u.name}/${u.group}`, owner: u.owner})),
  ];
  const resource = resources.find((r) => r.id === of);
  const owner = nodes.value.find((n) => n.id === resource?.owner);
  return (
    <section class="frames fill">
      <form class="filter" onSubmit={(e) => e.preventDefault()}>
        <label>{t('frames_of')} <select id="frames-of" value={of} onChange={(e) => choose({of: e.currentTarget.value})}>
          <option value="">–</option>
          {resources.map((r) => <option key={r.id} value={r.id}>{r.name}</option>)}
        </select></label>
        {owner && owner.id !== station.value?.node && (
          <span class="dim">{t('frames_here', {node: station.value?.node ?? '', owner: owner.id})}{' '}
            <a href={`${location.protocol}//${owner.api}/${address('frames', {of})}`}>{t('open_there', {node: owner.id})}</a></span>
        )}
      </form>
      {resource ? <Trace key={of} of={of} /> : <Empty>{t('choose_one')}</Empty>}
    </section>
  );
}

function Trace({of}: {of: string}) {
  const lines = useRef<TraceLine[]>([]);
  const [, again] = useReducer((n: number) => n + 1, 0);
  const [paused, setPaused] = useState(false);
  const [error, setError] = useState('');
  const [selected, setSelected] = useState<TraceLine | undefined>(undefined);
  const held = useRef(false);
  held.current = paused;

  useEffect(() => {
    const gone = new AbortController();
    let due = false;
    const read = async () => {
      while (!gone.signal.aborted) {
        try {
          await listen<TraceLine>(`v1/trace/${of}?last=${lines.current.length ? 0 : 2000}`, (l) => {
            if (held.current) return;
            lines.current.push(l);
            if (lines.current.length > keep) lines.current.splice(0, lines.current.length - keep);
            if (!due) {
              due = true;
              setTimeout(() => { due = false; again(0); }, 100);
            }
          }, gone.signal, () => setError(''));
        } catch (e) {
          if (!gone.signal.aborted) setError((e as Error).message);
        }
        await new Promise((resume) => { setTimeout(resume, 1000); });
      }
    };
    void read();
    return () => gone.abort();
  }, [of]);

  const text = (chosen.value.get('text') ?? '').toLowerCase();
  const direction = chosen.value.get('direction') ?? '';
  const all = lines.current;
  const shown = useMemo(
    () => all.filter((l) => l.dropped || ((!direction || l.direction === direction) && (!text || `${l.text} ${l.octets} ${l.link}`.toLowerCase().includes(text)))),
    [all.length, all.at(-1), text, direction],
  );
  const n = shown.length;
  return (
    <>
      <form class="filter" onSubmit={(e) => e.preventDefault()}>
        <label>{t('direction')} <select value={direction} onChange={(e) => choose({direction: e.currentTarget.value})}>
          <option value="">{t('all')}</option><option value="sent">{t('sent')}</option><option value="received">{t('received')}</option>
        </select></label>
        <label>{t('text')} <input type="search" value={text} onInput={(e) => choose({text: e.currentTarget.value})} /></label>
        <button type="button" aria-pressed={paused} onClick={() => setPaused(!paused)}>{t(paused ? 'resume' : 'pause')}</button>
        <button type="button" onClick={() => { lines.current = []; again(0); }}>{t('clear')}</button>
        <button type="button" onClick={() => download(of)}>pcapng</button>
        <span class="dim" id="frames-seen">{error ? t('cannot_read', {why: error}) : t('frames_seen', {n: n.toLocaleString()})}</span>
      </form>
      <List count={n} rowHeight={26} shift={n} label={t('frames')} head={
        <div class="head frame" role="row"><span role="columnheader">{t('time')}</span><span role="columnheader">{t('link')}</span><span role="columnheader">{t('direction')}</span><span role="columnheader">{t('text')}</span></div>
      } row={(i) => {
        const l = shown[n - 1 - i];
        if (!l) return null;
        if (!l.text) return <span class="bad-text" role="cell">{t('frames_dropped', {n: l.dropped ?? 0})}</span>;
        return (
          <div class={`frame ${l.direction}`} role="presentation">
            <time role="cell">{clock(l.time_ms ?? 0)}</time><span role="cell" class="text">{l.link}</span>
            <span role="cell">{l.direction === 'sent' ? '→' : '←'} {t(l.direction === 'sent' ? 'sent' : 'received')}</span>
            <span role="cell" class="text"><button type="button" class="plain" title={l.text} onClick={() => setSelected(l)}>{l.text}</button></span>
          </div>
        );
      }} />
      {selected && (
        <aside class="octets" aria-label={t('octets')}>
          <h2>{t('octets')} <button type="button" aria-label={t('close')} onClick={() => setSelected(undefined)}>×</button></h2>
          <p>{selected.text}</p>
          <Octets hex={selected.octets ?? ''} />
        </aside>
      )}
    </>
  );
}

// download saves the frames that the node keeps, for Wireshark.
async function download(of: string) {
  try {
    save(await (await ask(`v1/trace/${of}/capture`)).blob(), `${of.replaceAll('/', '-')}.pcapng`);
  } catch (e) {
    tell(false, t('failed', {why: (e as Error).message}));
  }
}

// Fields of a frame with the station's usual sizes: what the octets are for is told by a name as well as a colour.
function Octets({hex}: {hex: string}) {
  const octets = hex.match(/../g) ?? [];
  const isI = octets.length > 6 && (parseInt(octets[2], 16) & 1) === 0;
  const fields: [string, number][] = isI
    ? [['start', 1], ['length', 1], ['control', 4], ['TypeID', 1], ['SQ, N', 1], ['cause', 2], ['CA', 2], ['objects', octets.length]]
    : [['start', 1], ['length', 1], ['control', 4]];
  let at = 0;
  return (
    <dl class="octet-fields">
      {fields.map(([name, n], i) => {
        const part = octets.slice(at, at + n);
        at += n;
        return part.length > 0 && <div key={name} class={`field-${i % 6}`}><dt>{name}</dt><dd>{part.join(' ')}</dd></div>;
      })}
    </dl>
  );
}
