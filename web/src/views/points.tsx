// All points with their values, and of one its history and its control.

import {useEffect, useMemo, useState} from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

import {get} from '../api';
import {said, t, word} from '../i18n';
import {journal, rtus, station} from '../live';
import {List} from '../parts/list';
import {Empty, Mark} from '../parts/marks';
import {Plot} from '../parts/plot';
import {choose, chosen} from '../route';
import {instant, since} from '../time';
import type {Event, EventPage, Point} from '../types';

const most = 50_000;
const kinds = ['di', 'ai', 'counter'] as const;
const orders = ['point', 'name', 'value', 'quality', 'time'] as const;
type Order = (typeof orders)[number];

const keyOf = (p: Point) => `${p.rtu}/${p.kind}/${p.point}`;

const compare: Record<Order, (a: Point, b: Point) => number> = {
  point: (a, b) => a.rtu - b.rtu || (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : a.point - b.point),
  name: (a, b) => a.name.localeCompare(b.name),
  value: (a, b) => Number(a.value) - Number(b.value),
  quality: (a, b) => b.quality - a.quality,
  time: (a, b) => b.time_ms - a.time_ms,
};

const valueOf = (p: Point) => said(p.value_text, p.value_text_zh);
const qualityOf = (p: Point) => said(p.quality_text, p.quality_text_zh) || t('good');

interface Page { points: Point[]; next: string }

// usePoints reads all points of an RTU and a kind, and again while the view is open.
function usePoints(rtu: string, kind: string) {
  const [points, setPoints] = useState<Point[] | undefined>(undefined);
  const [error, setError] = useState('');
  useEffect(() => {
    const gone = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const read = async () => {
      const began = Date.now();
      try {
        const all: Point[] = [];
        for (let after = ''; ;) {
          const q = new URLSearchParams({limit: '10000', ...(rtu && {rtu}), ...(kind && {kind}), ...(after && {after})});
          const page = await get<Page>(`v1/points?${q}`, gone.signal);
          all.push(...page.points);
          after = page.next;
          if (!after || all.length >= most) break;
        }
        setPoints(all);
        setError('');
      } catch (e) {
        if (gone.signal.aborted) return;
        setError((e as Error).message);
      }
      timer = setTimeout(read, Math.max(1000, 10 * (Date.now() - began))); // a large station is read less often
    };
    setPoints(undefined);
    void read();
    return () => {
      gone.abort();
      clearTimeout(timer);
    };
  }, [rtu, kind, station.value?.node]);
  return {points, error};
}

export function Points() {
  const at = (name: string) => chosen.value.get(name) ?? '';
  const {points, error} = usePoints(at('rtu'), at('kind'));
  const order = (orders as readonly string[]).includes(at('order')) ? (at('order') as Order) : 'point';
  const text = at('text').toLowerCase();
  const shown = useMemo(
    () => (points ?? []).filter((p) => !text || p.name.toLowerCase().includes(text) || keyOf(p).includes(text)).sort(compare[order]),
    [points, text, order],
  );
  const set = (name: string) => (e: {currentTarget: HTMLInputElement | HTMLSelectElement}) => choose({[name]: e.currentTarget.value});
  return (
    <section class="points fill">
      <form class="filter" role="search" aria-label={t('filter')} onSubmit={(e) => e.preventDefault()}>
        <label>{t('rtu')} <select value={at('rtu')} onChange={set('rtu')}>
          <option value="">{t('all')}</option>
          {rtus.value.map((r) => <option key={r.number} value={r.number}>{r.number} {r.name}</option>)}
        </select></label>
        <label>{t('kind')} <select value={at('kind')} onChange={set('kind')}>
          <option value="">{t('all')}</option>
          {kinds.map((k) => <option key={k} value={k}>{t(k === 'counter' ? 'kind_counter' : `kind_${k}`)}</option>)}
        </select></label>
        <label>{t('search')} <input type="search" id="point-text" value={at('text')} onInput={set('text')} /></label>
        <span class="dim" id="points-shown">
          {error ? t('cannot_read', {why: error}) : points ? t('points_shown', {n: shown.length.toLocaleString()}) : t('loading')}
          {(points?.length ?? 0) >= most && ` ${t('points_cut', {n: most.toLocaleString()})}`}
        </span>
      </form>
      <List count={shown.length} rowHeight={28} label={t('points')} head={<Head order={order} />}
        row={(i) => shown[i] && <PointRow p={shown[i]} />} />
      {at('show') && <History key={at('show')} name={at('show')} point={points?.find((p) => keyOf(p) === at('show'))} />}
    </section>
  );
}

function Head({order}: {order: Order}) {
  const head = (o: Order, label: string) => (
    <span role="columnheader" aria-sort={o === order ? 'ascending' : 'none'}>
      <button type="button" class="sort" onClick={() => choose({order: o})}>{label}{o === order ? ' ▾' : ''}</button>
    </span>
  );
  return (
    <div class="head point" role="row">
      {head('point', t('point'))}{head('name', t('name'))}{head('value', t('value'))}{head('quality', t('quality'))}{head('time', t('time'))}
      <span role="columnheader">{t('age')}</span>
    </div>
  );
}

function PointRow({p}: {p: Point}) {
  const good = p.quality_text === '';
  return (
    <div class="point" role="presentation">
      <span role="cell"><button type="button" class="plain" onClick={() => choose({show: keyOf(p)})}>{keyOf(p)}</button></span>
      <span role="cell" class="text" dir="auto" title={p.name}><bdi>{p.name}</bdi></span>
      <span role="cell" class="value">{valueOf(p)} <span class="dim">{p.unit}</span></span>
      <span role="cell"><Mark tone={good ? 'good' : 'warn'}>{qualityOf(p)}</Mark></span>
      <time role="cell">{p.time_ms ? instant(p.time_ms) : '–'}</time>
      <span role="cell" class="dim">{since(p.time_ms)}</span>
    </div>
  );
}

// History plots the events of one point that the journal has.
function History({name, point}: {name: string; point?: Point}) {
  const [rtu, kind, number] = name.split('/');
  const [events, setEvents] = useState<Event[] | undefined>(undefined);
  const last = journal.value?.last ?? 0;
  useEffect(() => {
    const gone = new AbortController();
    const read = async () => {
      const all: Event[] = [];
      for (let before = Number.MAX_SAFE_INTEGER, more = true; more && all.length < 2000;) {
        const page: EventPage = await get(`v1/events?before=${before}&limit=1000&rtu=${rtu}&kind=${kind}&point=${number}`, gone.signal);
        all.push(...page.events);
        before = page.scanned;
        more = page.more;
      }
      setEvents(all.reverse());
    };
    read().catch(() => {});
    return () => gone.abort();
  }, [name, Math.floor(last / 1000), point?.seq]);
  const steps = kind !== 'ai';
  const series = useMemo<uPlot.AlignedData>(() => {
    const list = events ?? [];
    return [list.map((e) => e.time_ms / 1000), list.map((e) => (typeof e.value === 'number' ? e.value : null))] as uPlot.AlignedData;
  }, [events]);
  return (
    <aside class="history" aria-label={t('point_history', {point: name})} id="history">
      <h2>{t('point_history', {point: name})} <bdi>{point?.name}</bdi> <button type="button" aria-label={t('close')} onClick={() => choose({show: ''})}>×</button></h2>
      {point && <p>{word(point.kind)}: <strong>{valueOf(point)} {point.unit}</strong> · {qualityOf(point)} · {instant(point.time_ms)}</p>}
      {events === undefined ? <Empty>{t('loading')}</Empty> : events.length === 0 ? <Empty>{t('history_none')}</Empty>
        : <Plot data={series} names={[point?.unit || t('value')]} steps={steps} height={180} />}
    </aside>
  );
}
