// The journal and the audit in their one order, newest first, or what a filter leaves of them.

import {useEffect, useMemo, useReducer} from 'preact/hooks';

import {get} from '../api';
import {language, said, t} from '../i18n';
import {journal, rtus} from '../live';
import {List, eventRow} from '../parts/list';
import {Mark, type Tone} from '../parts/marks';
import {choose, chosen} from '../route';
import {instant} from '../time';
import type {Event, EventPage} from '../types';
import {exportCSV, exportXLSX} from './export';

const kinds = ['di', 'ai', 'counter', 'bitstring', 'note', 'owner', 'control', 'online', 'node', 'condition', 'config'] as const;
const filterNames = ['rtu', 'kind', 'point', 'text', 'from', 'to'] as const;
const pageSize = 200;

// What is kept of the list: who looks at its top has the newest ones, who has scrolled down all that the journal still has.
const mostAtTop = 1000;
const topRows = 50;   // whose sight means that one looks at the top
const mostBehind = 5 * pageSize; // new ones that are read one after the other; with more one begins anew

export function filterOf(choices: URLSearchParams): string {
  const q = new URLSearchParams();
  for (const name of filterNames) {
    const v = choices.get(name);
    if (v) q.set(name, name === 'from' || name === 'to' ? String(new Date(v).getTime()) : v);
  }
  return q.toString();
}

export function Events() {
  const filter = filterOf(chosen.value);
  return (
    <section class="events fill">
      <Filter filter={filter} />
      <Found key={filter + language.value} filter={filter} />
    </section>
  );
}

function Filter({filter}: {filter: string}) {
  const set = (name: string) => (e: {currentTarget: HTMLInputElement | HTMLSelectElement}) => choose({[name]: e.currentTarget.value});
  const at = (name: string) => chosen.value.get(name) ?? '';
  return (
    <form class="filter" role="search" aria-label={t('filter')} onSubmit={(e) => e.preventDefault()}>
      <label>{t('text')} <input id="event-text" type="search" value={at('text')} onInput={set('text')} /></label>
      <label>{t('rtu')} <select id="event-rtu" value={at('rtu')} onChange={set('rtu')}>
        <option value="">{t('all')}</option>
        {rtus.value.map((r) => <option key={r.number} value={r.number}>{r.number} {r.name}</option>)}
      </select></label>
      <label>{t('kind')} <select id="event-kind" value={at('kind')} onChange={set('kind')}>
        <option value="">{t('all')}</option>
        {kinds.map((k) => <option key={k} value={k}>{t(`kind_${k}`)}</option>)}
      </select></label>
      <label>{t('point')} <input id="event-point" class="narrow" inputmode="numeric" value={at('point')} onChange={set('point')} /></label>
      <label>{t('from')} <input type="datetime-local" step="1" value={at('from')} onChange={set('from')} /></label>
      <label>{t('to')} <input type="datetime-local" step="1" value={at('to')} onChange={set('to')} /></label>
      {filter && <button type="button" onClick={() => choose(Object.fromEntries(filterNames.map((n) => [n, ''])))}>{t('clear_filter')}</button>}
      <button type="button" onClick={() => exportCSV(filter)}>{t('export_csv')}</button>
      <button type="button" onClick={() => exportXLSX(filter)}>{t('export_xlsx')}</button>
    </form>
  );
}

// Found is what a filter leaves; more is looked for as one scrolls down, and what is new comes on top. Numbers have gaps: what
// the journal no longer keeps.
function Found({filter}: {filter: string}) {
  const [, again] = useReducer((n: number) => n + 1, 0);
  const found = useMemo(() => ({events: [] as Event[], scanned: 0, newest: 0, sight: 0, more: true, busy: false, gone: new AbortController(), error: ''}), [filter]);
  useEffect(() => () => found.gone.abort(), [found]);

  const older = async () => {
    if (found.busy || !found.more) return;
    found.busy = true;
    try {
      const from = found.scanned || Number.MAX_SAFE_INTEGER;
      const page = await get<EventPage>(`v1/events?before=${from}&limit=${pageSize}&${filter}`, found.gone.signal);
      if (!found.newest) found.newest = page.last;
      found.events.push(...page.events);
      found.scanned = page.scanned;
      found.more = page.more;
      found.error = '';
    } catch (e) {
      found.error = (e as Error).message;
      found.more = false;
    }
    found.busy = false;
    again(0);
    if (found.more && found.events.length < pageSize && !found.gone.signal.aborted) void older();
  };
  useEffect(() => { void older(); }, [found]);

  const last = journal.value?.last ?? 0;
  useEffect(() => {
    if (!found.newest || last <= found.newest) return;
    const from = found.newest;
    found.newest = last;
    void (async () => {
      try {
        if (found.sight < topRows && last - from > mostBehind) {
          const page = await get<EventPage>(`v1/events?before=${Number.MAX_SAFE_INTEGER}&limit=${pageSize}&${filter}`, found.gone.signal);
          Object.assign(found, {events: page.events, scanned: page.scanned, newest: page.last, more: page.more});
        } else {
          const page = await get<EventPage>(`v1/events?after=${from}&limit=${pageSize}&${filter}`, found.gone.signal);
          found.newest = Math.max(page.scanned, from);
          found.events.unshift(...page.events.filter((e) => e.seq > from).reverse());
          trim(found, journal.value?.first ?? 0);
        }
        again(0);
      } catch { found.newest = from; }
    })();
  }, [last]);

  const n = found.events.length;
  const kept = journal.value ?? {first: 1, last: 0, events: 0, entries: 0};
  return (
    <>
      <p class="dim" id="kept">{found.error ? t('cannot_read', {why: found.error}) : !filter ? t('kept', {n: (kept.events + kept.entries).toLocaleString(), first: kept.first, last: kept.last}) : found.more ? t('found', {n, scanned: found.scanned || '…'}) : n ? t('found_all', {n}) : t('nothing_found')}</p>
      <List count={n} rowHeight={eventRow()} shift={found.newest} label={t('events')} head={<Head />} row={(i) => found.events[i] && <Row e={found.events[i]} />}
        onSight={(first, to) => { found.sight = first; if (to > found.events.length - 50) void older(); }} />
    </>
  );
}

// trim keeps the list as long as it is of use, however long the page stays open.
function trim(found: {events: Event[]; scanned: number; sight: number; more: boolean}, oldest: number) {
  let n = found.events.length;
  if (found.sight < topRows) n = Math.min(n, mostAtTop);
  else while (n > 0 && found.events[n - 1].seq < oldest) n--;
  if (n === found.events.length) return;
  found.events.length = n;
  found.scanned = found.events[n - 1]?.seq ?? 0;
  found.more = true;
}

const Head = () => <div class="head event" role="row"><span role="columnheader">{t('number')}</span><span role="columnheader">{t('time')}</span><span role="columnheader">{t('what')}</span></div>;

export function Row({e}: {e: Event}) {
  return (
    <div class="event" role="presentation">
      <span class="number" role="cell">{e.seq}</span>
      <time role="cell">{instant(e.time_ms)}</time>
      <span role="cell" class="text" dir="auto" title={textOf(e)}><Mark tone={toneOf(e)} /> <bdi>{textOf(e)}</bdi></span>
    </div>
  );
}

const textOf = (e: Event) => said(e.text, e.text_zh);

// toneOf says what kind of event it is: a bad one of the station's own, or one of a point.
function toneOf(e: Event): Tone {
  if (e.note) {
    if (e.note.kind === 'condition') return e.note.severity === 'alarm' ? 'bad' : 'warn';
    const ended = ['node', 'online', 'overflow'].includes(e.note.kind) && !e.note.ok;
    return ended ? 'bad' : 'unknown';
  }
  if (e.quality & 0xc0) return 'warn';
  return e.value ? 'good' : 'idle';
}
