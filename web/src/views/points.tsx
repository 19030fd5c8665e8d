// All points with their values, and what can be operated.

import {useEffect, useMemo, useState} from 'preact/hooks';

import {get} from '../api';
import {t} from '../i18n';
import {known, rtus, station} from '../live';
import {List} from '../parts/list';
import {Mark} from '../parts/marks';
import {choose, chosen} from '../route';
import {instant, since} from '../time';
import type {Operable, Point} from '../types';
import {may} from '../who';
import {Operate, operate} from './operate';
import {PointDetails, keyOf, qualityOf, valueOf} from './point';

const most = 50_000;
const kinds = ['di', 'ai', 'counter', 'bitstring', 'control'] as const;
const orders = ['point', 'name', 'value', 'quality', 'time'] as const;
type Order = (typeof orders)[number];

const compare: Record<Order, (a: Point, b: Point) => number> = {
  point: (a, b) => a.rtu - b.rtu || (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : a.point - b.point),
  name: (a, b) => a.name.localeCompare(b.name),
  value: (a, b) => Number(a.value) - Number(b.value),
  quality: (a, b) => b.quality - a.quality,
  time: (a, b) => b.time_ms - a.time_ms,
};

interface Page { points: Point[]; next: string }

// readPoints reads what has a value, or of one RTU all that its table has.
async function readPoints(rtu: string, kind: string, gone: AbortSignal): Promise<Point[]> {
  if (rtu) {
    const table = await get<{points: Point[]}>(`v1/rtus/${rtu}/points`, gone);
    return table.points.filter((p) => !kind || p.kind === kind);
  }
  const all: Point[] = [];
  for (let after = ''; ;) {
    const q = new URLSearchParams({limit: '10000', ...(kind && {kind}), ...(after && {after})});
    const page = await get<Page>(`v1/points?${q}`, gone);
    all.push(...page.points);
    after = page.next;
    if (!after || all.length >= most) return all;
  }
}

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
        setPoints(await readPoints(rtu, kind, gone.signal));
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
  return (
    <section class="points fill">
      {chosen.value.get('kind') === 'control' ? <Controls /> : <Values />}
    </section>
  );
}

const at = (name: string) => chosen.value.get(name) ?? '';
const set = (name: string) => (e: {currentTarget: HTMLInputElement | HTMLSelectElement}) => choose({[name]: e.currentTarget.value});

function Filter({shown}: {shown: string}) {
  return (
    <form class="filter" role="search" aria-label={t('filter')} onSubmit={(e) => e.preventDefault()}>
      <label>{t('rtu')} <select id="point-rtu" value={at('rtu')} onChange={set('rtu')}>
        <option value="">{t('all')}</option>
        {rtus.value.map((r) => <option key={r.number} value={r.number}>{r.number} {r.name}{r.sharing && ` (${t('common_address')} ${r.common_address})`}</option>)}
      </select></label>
      <label>{t('kind')} <select id="point-kind" value={at('kind')} onChange={set('kind')}>
        <option value="">{t('all')}</option>
        {kinds.map((k) => <option key={k} value={k}>{t(`kind_${k}`)}</option>)}
      </select></label>
      <label>{t('search')} <input type="search" id="point-text" value={at('text')} onInput={set('text')} /></label>
      <span class="dim" id="points-shown">{shown}</span>
    </form>
  );
}

function Values() {
  const {points, error} = usePoints(at('rtu'), at('kind'));
  const order = (orders as readonly string[]).includes(at('order')) ? (at('order') as Order) : 'point';
  const text = at('text').toLowerCase();
  const shown = useMemo(
    () => (points ?? []).filter((p) => !text || p.name.toLowerCase().includes(text) || keyOf(p).includes(text)).sort(compare[order]),
    [points, text, order],
  );
  const cut = (points?.length ?? 0) >= most ? ` ${t('points_cut', {n: most.toLocaleString()})}` : '';
  return (
    <>
      <Filter shown={error ? t('cannot_read', {why: error}) : points ? t('points_shown', {n: shown.length.toLocaleString()}) + cut : t('loading')} />
      <List count={shown.length} rowHeight={28} label={t('points')} head={<Head order={order} />}
        row={(i) => shown[i] && <PointRow p={shown[i]} />} />
      {at('show') && <PointDetails key={at('show')} name={at('show')} point={points?.find((p) => keyOf(p) === at('show'))} />}
    </>
  );
}

// useOperable reads what can be operated at an RTU, or at all.
function useOperable(rtu: string) {
  const [list, setList] = useState<Operable[] | undefined>(undefined);
  const [error, setError] = useState('');
  const numbers = rtu || rtus.value.map((r) => r.number).join();
  useEffect(() => {
    const gone = new AbortController();
    Promise.all(numbers.split(',').filter(Boolean).map((n) => get<Operable[]>(`v1/rtus/${n}/controls`, gone.signal)))
      .then((lists) => setList(lists.flat()))
      .catch((e: Error) => { if (!gone.signal.aborted) setError(e.message); });
    return () => gone.abort();
  }, [numbers, station.value?.node]);
  return {list, error};
}

function Controls() {
  const {list, error} = useOperable(at('rtu'));
  const text = at('text').toLowerCase();
  const shown = (list ?? []).filter((o) => !text || o.name.toLowerCase().includes(text) || keyOf(o).includes(text));
  return (
    <>
      <Filter shown={error ? t('cannot_read', {why: error}) : list ? t('points_shown', {n: shown.length.toLocaleString()}) : t('loading')} />
      <List count={shown.length} rowHeight={36} label={t('kind_control')} row={(i) => shown[i] && <OperableRow o={shown[i]} />}
        head={<div class="head operable" role="row"><span role="columnheader">{t('point')}</span><span role="columnheader">{t('name')}</span><span role="columnheader">{t('category')}</span><span role="columnheader">{t('what')}</span></div>} />
      <Operate />
    </>
  );
}

function OperableRow({o}: {o: Operable}) {
  return (
    <div class="operable" role="presentation">
      <span role="cell">{keyOf(o)}</span>
      <span role="cell" class="text" dir="auto" title={o.name}><bdi>{o.name}</bdi></span>
      <span role="cell" class="dim">{o.category} {o.unit}</span>
      <span role="cell">{may('operator') && <button type="button" disabled={!known.value} onClick={() => operate(o)}>{t('operate')}…</button>}</span>
    </div>
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
  const tone = p.state && p.state !== 'answered' && !p.override ? 'unknown' : p.quality_text === '' ? 'good' : 'warn';
  const told = p.time_ms > 0; // else the device has not told of it yet
  return (
    <div class="point" role="presentation">
      <span role="cell"><button type="button" class="plain" onClick={() => choose({show: keyOf(p)})}>{keyOf(p)}</button></span>
      <span role="cell" class="text" dir="auto" title={p.name}><bdi>{p.name}</bdi></span>
      <span role="cell" class="value">{told ? valueOf(p) : '–'} <span class="dim">{p.unit}</span></span>
      <span role="cell"><Mark tone={tone}>{told ? qualityOf(p) : t('nothing_yet')}</Mark></span>
      <time role="cell">{told ? instant(p.time_ms) : '–'}</time>
      <span role="cell" class="dim">{since(Math.max(0, p.time_ms))}</span>
    </div>
  );
}
