// One point: its value, where control centres find it, its history, and what an operator may do to it.

import {useEffect, useMemo, useState} from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

import {get, post} from '../api';
import {said, t, word} from '../i18n';
import {journal, known} from '../live';
import {confirm} from '../parts/ask';
import {Empty, Mark} from '../parts/marks';
import {Plot} from '../parts/plot';
import {choose} from '../route';
import {instant, now} from '../time';
import type {Event, EventPage, Point, Trend} from '../types';
import {may} from '../who';

export const keyOf = (p: {rtu: number; kind: string; point: number}) => `${p.rtu}/${p.kind}/${p.point}`;
export const valueOf = (p: Point) => said(p.value_text, p.value_text_zh);
export const qualityOf = (p: Point) => said(p.quality_text, p.quality_text_zh) || t('good');

// PointDetails is what the view of points shows of the one that is chosen.
export function PointDetails({name, point}: {name: string; point?: Point}) {
  return (
    <aside class="history" aria-label={t('point_history', {point: name})} id="history">
      <h2>{t('point_history', {point: name})} <bdi>{point?.name}</bdi> <button type="button" aria-label={t('close')} onClick={() => choose({show: ''})}>×</button></h2>
      {point && (
        <>
          <p>
            {word(point.kind)}: <strong>{valueOf(point)} {point.unit}</strong> · {qualityOf(point)}{point.time_ms > 0 && ` · ${instant(point.time_ms)}`}
            {point.uplinks?.length ? ` · ${t('found_at')} ` : ''}{point.uplinks?.map((u) => <code key={u.uplink}>{u.uplink}:{u.common_address}:{u.ioa} </code>)}
          </p>
          <Overridden p={point} />
        </>
      )}
      <History name={name} point={point} />
    </aside>
  );
}

// Overridden says what an operator has done to the point, and lets one do it or take it back.
function Overridden({p}: {p: Point}) {
  const o = p.override;
  const at = `v1/points/${keyOf(p)}`;
  const what = `${keyOf(p)} ${p.name}`;
  const reason = <label>{t('reason')} <input name="reason" required maxLength={200} autocomplete="off" /></label>;
  const marked = p.kind !== 'counter';
  return (
    <>
      {o && (
        <p id="override">
          <Mark tone="warn">{t(o.mode === 'blocked' ? 'blocked_by' : 'substituted_by', {name: o.by, time: instant(o.since_ms)})}</Mark> <bdi>{o.reason}</bdi> · {t('device_says')}{' '}
          <strong>{o.answered ? said(o.device_text, o.device_text_zh) : t('nothing_yet')}</strong>{o.answered && ` (${t('count', {n: o.device_told_times})})`}
        </p>
      )}
      {may('operator') && marked && (
        <div class="buttons">
          <button type="button" disabled={!known.value || (!p.time_ms && !o)} onClick={() => confirm(t('ask_block', {what}), t('ask_block_why'), async (form) => {
            await post(`${at}/block`, {reason: form.get('reason')});
            return t('is_blocked', {what});
          }, reason)}>{t('block')}…</button>
          <button type="button" disabled={!known.value} onClick={() => confirm(t('ask_substitute', {what}), t('ask_substitute_why'), async (form) => {
            const value = String(form.get('value'));
            await post(`${at}/substitute`, {reason: form.get('reason'), ...(p.kind === 'di' && Number.isNaN(Number(value)) ? {state: value} : {value: Number(value)})});
            return t('is_substituted', {what});
          }, <><Value p={p} />{reason}</>)}>{t('substitute')}…</button>
          {o && <button type="button" disabled={!known.value} onClick={() => confirm(t('ask_release_point', {what}), t('ask_release_point_why'), async () => {
            await post(`${at}/release`, {});
            return t('is_released', {what});
          })}>{t('release_point')}</button>}
        </div>
      )}
    </>
  );
}

const single = [1, 2, 30];
const double = [3, 4, 31];

// Value is the field for a value of the point's type.
function Value({p}: {p: Point}) {
  const states = p.type === 0 || single.includes(p.type) ? ['off', 'on'] : double.includes(p.type) ? ['off', 'on', 'in between', 'indeterminate'] : undefined;
  if (p.kind !== 'di' || !states) return <label>{t('value')} {p.unit} <input name="value" inputmode="decimal" pattern="-?[0-9]*\.?[0-9]+" required autocomplete="off" /></label>;
  return <label>{t('value')} <select name="value">{states.map((s) => <option key={s} value={s}>{word(s)}</option>)}</select></label>;
}

// History plots what the node's trend has of an analog, and of others the events that the journal has.
function History({name, point}: {name: string; point?: Point}) {
  const [rtu, kind, number] = name.split('/');
  const [series, setSeries] = useState<[number[], (number | null)[]] | undefined>(undefined);
  const last = journal.value?.last ?? 0;
  useEffect(() => {
    const gone = new AbortController();
    const course = async () => {
      const trend = await get<Trend>(`v1/points/${name}/trend`, gone.signal);
      const shown = trend.samples.map((s) => ({at: Math.max(s.time_ms, trend.complete_from_ms), value: typeof s.value === 'number' ? s.value : null}));
      shown.push({at: trend.now_ms, value: shown.at(-1)?.value ?? null});
      setSeries([shown.map((s) => s.at / 1000), shown.map((s) => s.value)]);
    };
    const read = async () => {
      const all: Event[] = [];
      for (let before = Number.MAX_SAFE_INTEGER, more = true; more && all.length < 2000;) {
        const page: EventPage = await get(`v1/events?before=${before}&limit=1000&rtu=${rtu}&kind=${kind}&point=${number}`, gone.signal);
        all.push(...page.events);
        before = page.scanned;
        more = page.more;
      }
      all.reverse();
      setSeries([all.map((e) => e.time_ms / 1000), all.map((e) => (typeof e.value === 'number' ? e.value : null))]);
    };
    (kind === 'ai' ? course : read)().catch(() => {});
    return () => gone.abort();
  }, [name, Math.floor(last / 1000), point?.seq, kind === 'ai' && Math.floor(now.value / 2000)]);
  const data = useMemo(() => series as uPlot.AlignedData | undefined, [series]);
  if (data === undefined) return <Empty>{t('loading')}</Empty>;
  if (data[0].length === 0) return <Empty>{t('history_none')}</Empty>;
  return <Plot data={data} names={[point?.unit || t('value')]} steps height={180} />;
}
