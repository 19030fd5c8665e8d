// The check of points (对点): which RTUs are checked, how far one is, what was seen of each point, and the report.

import {signal} from '@preact/signals';
import {useMemo, useState} from 'preact/hooks';

import {ask, post} from '../api';
import {said, t, word} from '../i18n';
import {known, rtus, station, uplinks} from '../live';
import {confirm, tell} from '../parts/ask';
import {List, checkRow} from '../parts/list';
import {Empty, Mark, type Tone} from '../parts/marks';
import {useRead} from '../parts/use';
import {address, choose, chosen} from '../route';
import {clock, instant} from '../time';
import type {Check, CheckItem, Comparison, ListPoint} from '../types';
import {may} from '../who';
import {save} from './export';

// printing is the RTU whose report is being printed: a table of all points is made for that alone.
const printing = signal(0);

function print(rtu: number) {
  printing.value = rtu;
  setTimeout(() => {
    window.print();
    printing.value = 0;
  }, 50);
}

const tones: Record<CheckItem['state'], Tone> = {open: 'idle', seen: 'warn', done: 'good', 'by hand': 'good', failed: 'bad'};
const states = Object.keys(tones) as CheckItem['state'][];

export function Commissioning() {
  const rtu = chosen.value.get('rtu') ?? '';
  return (
    <section class="commissioning fill">
      {rtu ? <OneCheck key={rtu} rtu={rtu} /> : <AllChecks />}
    </section>
  );
}

// AllChecks shows the progress of each RTU that is checked, and lets one begin with others.
function AllChecks() {
  const [again, setAgain] = useState(0);
  const {data, error} = useRead<Check[]>('v1/checks', 3000, again);
  const [picked, setPicked] = useState<number[]>([]);
  const [group, setGroup] = useState('');
  const groups = uplinks.value.map((u) => `${u.name}/${u.group}`);
  const start = () => confirm(t('ask_check', {rtus: picked.join(', ')}), t('ask_check_why'), async () => {
    const [uplink, name] = (group || groups[0] || '/').split('/');
    for (const n of picked) await post(`v1/checks/${n}`, {uplink, group: name});
    setPicked([]);
    setAgain(again + 1);
    return t('check_began', {rtus: picked.join(', ')});
  });
  const of = (n: number) => data?.find((c) => c.rtu === n);
  return (
    <div class="scroll">
      <p>{t('check_what')}</p>
      {error && <p class="bad-text">{t('cannot_read', {why: error})}</p>}
      <table>
        <caption class="hidden">{t('commissioning')}</caption>
        <thead><tr>{may('operator') && <th scope="col"><span class="hidden">{t('choose')}</span></th>}<th scope="col">{t('rtu')}</th><th scope="col">{t('progress')}</th><th scope="col">{t('control_centres')}</th><th scope="col">{t('state')}</th></tr></thead>
        <tbody>
          {rtus.value.map((r) => {
            const c = of(r.number);
            return (
              <tr key={r.number}>
                {may('operator') && <td><input type="checkbox" aria-label={`RTU ${r.number}`} checked={picked.includes(r.number)}
                  onChange={() => setPicked(picked.includes(r.number) ? picked.filter((n) => n !== r.number) : [...picked, r.number])} /></td>}
                <td>{c ? <a href={address('commissioning', {rtu: String(r.number)})}>{r.number} <bdi>{r.name}</bdi></a> : <>{r.number} <bdi>{r.name}</bdi></>}</td>
                <td>{c ? <Progress c={c} /> : '–'}</td>
                <td>{c && `${c.uplink}/${c.group}`}</td>
                <td>{!c ? t('not_checked') : c.ended_ms ? t('check_ended', {time: instant(c.ended_ms)}) : t('check_goes_on', {time: instant(c.started_ms), name: c.by})}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {may('operator') && (
        <form class="filter" onSubmit={(e) => { e.preventDefault(); start(); }}>
          <label>{t('acknowledged_at')} <select value={group} onChange={(e) => setGroup(e.currentTarget.value)}>{groups.map((g) => <option key={g}>{g}</option>)}</select></label>
          <button type="submit" class="primary" disabled={!known.value || picked.length === 0}>{t('start_check')}</button>
        </form>
      )}
      {may('operator') && <Compare />}
    </div>
  );
}

function Progress({c}: {c: Check}) {
  const part = c.points ? (100 * c.done) / c.points : 0;
  return (
    <div class="progress">
      <meter min={0} max={c.points} value={c.done} aria-label={t('progress')}>{part.toFixed(0)} %</meter>
      <span>{t('progress_of', {done: c.done, n: c.points, percent: part.toFixed(0)})}</span>
      {c.seen > 0 && <Mark tone="warn">{t('check_seen', {n: c.seen})}</Mark>}
      {c.failed > 0 && <Mark tone="bad">{t('check_failed', {n: c.failed})}</Mark>}
    </div>
  );
}

function OneCheck({rtu}: {rtu: string}) {
  const [again, setAgain] = useState(0);
  const {data, error} = useRead<Check>(`v1/checks/${rtu}`, 1500, again);
  const at = (name: string) => chosen.value.get(name) ?? '';
  const text = at('text').toLowerCase();
  const state = at('state');
  const shown = useMemo(() => (data?.items ?? []).filter((i) => (!state || i.state === state) && (!text || i.name.toLowerCase().includes(text) || `${i.kind}/${i.point}`.includes(text))), [data, text, state]);
  if (error && !data) return <><p class="bad-text">{t('cannot_read', {why: error})}</p><p><a href={address('commissioning')}>{t('all_checks')}</a></p></>;
  if (!data) return <Empty>{t('loading')}</Empty>;
  const act = (title: string, why: string, path: string, body: unknown, done: string) => confirm(title, why, async () => {
    await post(path, body);
    setAgain(again + 1);
    return done;
  });
  const what = `RTU ${data.rtu} ${data.name}`;
  return (
    <>
      <h2><a href={address('commissioning')}>{t('all_checks')}</a> › {data.rtu} <bdi>{data.name}</bdi></h2>
      <p class="dim">{t('check_goes_on', {time: instant(data.started_ms), name: data.by})} {data.ended_ms > 0 && t('check_ended', {time: instant(data.ended_ms)})} {t('acknowledged_at')} {data.uplink}/{data.group}</p>
      {error && <p class="bad-text">{t('cannot_read', {why: error})}</p>}
      <Progress c={data} />
      <form class="filter" role="search" aria-label={t('filter')} onSubmit={(e) => e.preventDefault()}>
        <label>{t('search')} <input type="search" id="check-text" value={at('text')} onInput={(e) => choose({text: e.currentTarget.value})} /></label>
        <label>{t('state')} <select id="check-state" value={state} onChange={(e) => choose({state: e.currentTarget.value})}>
          <option value="">{t('all')}</option>
          {states.map((s) => <option key={s} value={s}>{word(`check ${s}`)}</option>)}
        </select></label>
        <button type="button" onClick={() => void reportXLSX(data)}>{t('export_xlsx')}</button>
        <button type="button" onClick={() => print(data.rtu)}>{t('print')}</button>
        {may('operator') && (
          <>
            <button type="button" disabled={!known.value} onClick={() => act(t('ask_update_check', {what}), t('ask_update_check_why'), `v1/checks/${rtu}`, {uplink: data.uplink, group: data.group}, t('check_updated'))}>{t('update_check')}</button>
            {data.ended_ms === 0
              ? <button type="button" disabled={!known.value} onClick={() => act(t('ask_end_check', {what}), t('ask_end_check_why'), `v1/checks/${rtu}/end`, {}, t('check_has_ended', {what}))}>{t('end_check')}</button>
              : <button type="button" disabled={!known.value} onClick={() => confirm(t('ask_discard_check', {what}), t('ask_discard_check_why'), async () => {
                await post(`v1/checks/${rtu}/end`, {discard: true});
                location.hash = address('commissioning');
                return t('check_discarded', {what});
              })}>{t('discard_check')}</button>}
          </>
        )}
      </form>
      <List count={shown.length} rowHeight={checkRow()} label={t('points')} row={(i) => shown[i] && <Item c={data} i={shown[i]} again={() => setAgain(again + 1)} />}
        head={<div class="head check" role="row"><span role="columnheader">{t('point')}</span><span role="columnheader">{t('name')}</span><span role="columnheader">{t('state')}</span><span role="columnheader">{t('seen')}</span><span role="columnheader">{t('what')}</span></div>} />
      <Report c={data} />
    </>
  );
}

function Item({c, i, again}: {c: Check; i: CheckItem; again: () => void}) {
  const key = `${c.rtu}/${i.kind}/${i.point}`;
  const say = (ok: boolean) => confirm(t(ok ? 'ask_tick' : 'ask_wrong', {what: `${key} ${i.name}`}), t('ask_tick_why'), async (form) => {
    await post(`v1/checks/${c.rtu}/tick`, {kind: i.kind, point: i.point, ok, remark: form.get('remark')});
    again();
    return `${key}: ${word(ok ? 'check by hand' : 'check failed')}`;
  }, <label>{t('remark')} <input name="remark" required maxLength={200} autocomplete="off" /></label>);
  const clear = async () => {
    try {
      await post(`v1/checks/${c.rtu}/tick`, {kind: i.kind, point: i.point, clear: true});
      again();
    } catch (e) {
      tell(false, t('failed', {why: (e as Error).message}));
    }
  };
  return (
    <div class="check" role="presentation">
      <span role="cell">{key}<br /><span class="dim">{i.ioa || '–'}</span></span>
      <span role="cell" class="text" dir="auto" title={i.name}><bdi>{i.name}</bdi></span>
      <span role="cell"><Mark tone={tones[i.state]}>{word(`check ${i.state}`)}</Mark></span>
      <span role="cell" class="text seen" title={proof(i).join('\n')}>{proof(i).map((line) => <span key={line}>{line}</span>)}</span>
      <span role="cell" class="buttons">{may('operator') && c.ended_ms === 0 && (
        <>
          <button type="button" disabled={!known.value} aria-label={`${t('tick')} ${key}`} onClick={() => say(true)}>✓</button>
          <button type="button" disabled={!known.value} aria-label={`${t('wrong')} ${key}`} onClick={() => say(false)}>✕</button>
          {i.said_by && <button type="button" disabled={!known.value} aria-label={`${t('take_back')} ${key}`} onClick={() => void clear()}>↶</button>}
        </>
      )}</span>
    </div>
  );
}

// proof is what was seen of a point and what a person said, a line each.
function proof(i: CheckItem): string[] {
  const lines = i.samples.map((s) => {
    const quality = said(s.quality_text, s.quality_text_zh);
    const acked = s.acked_ms ? t(i.kind === 'do' || i.kind === 'ao' ? 'returned_at' : 'acked_at', {time: clock(s.acked_ms)}) : i.ioa || i.kind === 'do' || i.kind === 'ao' ? t(s.seq ? 'not_acked' : 'ack_not_known') : t('no_uplink_address');
    return `${said(s.value_text, s.value_text_zh)}${i.unit ? ` ${i.unit}` : ''}${quality && ` (${quality})`} ${instant(s.time_ms)}${s.origin ? ` ${s.origin}` : ''}, ${acked}`;
  });
  if (i.said_by) lines.push(`${i.remark} (${i.said_by}, ${instant(i.said_ms ?? 0)})`);
  return lines;
}

const columns = ['point', 'ioa', 'name', 'state', 'seen'] as const;
const cellsOf = (c: Check, i: CheckItem) => [`${c.rtu}/${i.kind}/${i.point}`, i.ioa ?? '', i.name, word(`check ${i.state}`), proof(i).join('\n')];

// Report is what is printed: all points, who has begun and ended the check and when.
function Report({c}: {c: Check}) {
  return (
    <div class="report" aria-hidden="true">
      <h2>{station.value?.name} · {t('commissioning')} · RTU {c.rtu} {c.name}</h2>
      <p>{summary(c).map((line) => <span key={line}>{line}<br /></span>)}</p>
      <table>
        <thead><tr>{columns.map((name) => <th key={name}>{t(name)}</th>)}</tr></thead>
        <tbody>{printing.value === c.rtu && (c.items ?? []).map((i) => <tr key={`${i.kind}/${i.point}`}>{cellsOf(c, i).map((cell, n) => <td key={columns[n]}>{cell}</td>)}</tr>)}</tbody>
      </table>
      <p class="signatures">{t('signatures')}</p>
    </div>
  );
}

const summary = (c: Check) => [
  t('progress_of', {done: c.done, n: c.points, percent: c.points ? ((100 * c.done) / c.points).toFixed(0) : 0}),
  t('check_goes_on', {time: instant(c.started_ms), name: c.by}), c.ended_ms ? t('check_ended', {time: instant(c.ended_ms)}) : t('check_not_ended'),
  `${t('acknowledged_at')} ${c.uplink}/${c.group}`, `${t('check_failed', {n: c.failed})}, ${t('check_seen', {n: c.seen})}`,
];

async function reportXLSX(c: Check) {
  try {
    const {default: write} = await import('write-excel-file/browser');
    const rows = [
      [{value: `${station.value?.name ?? ''} · ${t('commissioning')} · RTU ${c.rtu} ${c.name}`, fontWeight: 'bold' as const}],
      ...summary(c).map((value) => [{value}]),
      columns.map((name) => ({value: t(name), fontWeight: 'bold' as const})),
      ...(c.items ?? []).map((i) => cellsOf(c, i).map((value) => (value === '' ? null : {value}))),
    ];
    save(await write(rows).toBlob(), `check-${station.value?.station ?? 0}-rtu${c.rtu}.xlsx`);
  } catch (e) {
    tell(false, t('failed', {why: (e as Error).message}));
  }
}

// Compare holds a control centre's list against the table of an uplink.
function Compare() {
  const names = [...new Set(uplinks.value.map((u) => u.name))];
  const [uplink, setUplink] = useState('');
  const [file, setFile] = useState<File | undefined>(undefined);
  const [result, setResult] = useState<Comparison | undefined>(undefined);
  const [problem, setProblem] = useState('');
  const run = async () => {
    setProblem('');
    setResult(undefined);
    try {
      const r = await ask(`v1/uplinks/${encodeURIComponent(uplink || names[0])}/compare`, {method: 'POST', headers: {'Content-Type': 'application/octet-stream'}, body: file});
      setResult(await r.json());
    } catch (e) {
      setProblem((e as Error).message);
    }
  };
  const words = (p: ListPoint | null) => (p ? `${p.point ?? ''} ${p.name}${p.type ? ` (${p.type})` : ''}` : '–');
  return (
    <div class="compare">
      <h2>{t('compare_lists')}</h2>
      <p class="dim">{t('compare_why')}</p>
      <form class="filter" onSubmit={(e) => { e.preventDefault(); void run(); }}>
        <label>{t('uplink')} <select value={uplink} onChange={(e) => setUplink(e.currentTarget.value)}>{names.map((n) => <option key={n}>{n}</option>)}</select></label>
        <label>{t('centre_list')} <input type="file" id="centre-list" accept=".csv,.xlsx" onChange={(e) => setFile(e.currentTarget.files?.[0])} /></label>
        <button type="submit" id="compare" disabled={!file}>{t('compare')}</button>
      </form>
      {problem && <pre class="problems" role="alert">{problem}</pre>}
      {result && (
        <>
          <p id="compared"><Mark tone={result.differences.length ? 'warn' : 'good'}>{t('compared', {here: result.here, there: result.there, same: result.same, n: result.differences.length})}</Mark></p>
          {result.differences.length > 0 && (
            <table>
              <caption class="hidden">{t('compare_lists')}</caption>
              <thead><tr><th scope="col">{t('ioa')}</th><th scope="col">{t('what')}</th><th scope="col">{t('here')}</th><th scope="col">{t('centre_list')}</th></tr></thead>
              <tbody>{result.differences.slice(0, 1000).map((d) => (
                <tr key={`${d.common_address}:${d.ioa}`}><td>{d.common_address ? `${d.common_address}:${d.ioa}` : d.ioa}</td><td>{t(!d.here ? 'missing_here' : !d.there ? 'missing_there' : d.name ? 'other_name' : 'other_type')}</td><td><bdi>{words(d.here)}</bdi></td><td><bdi>{words(d.there)}</bdi></td></tr>
              ))}</tbody>
            </table>
          )}
        </>
      )}
    </div>
  );
}
