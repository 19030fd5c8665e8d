// Where the journal and the audit go besides the control centres, and how far each target has come.

import {useState} from 'preact/hooks';

import {post} from '../api';
import {t, word} from '../i18n';
import {feps, known} from '../live';
import {confirm} from '../parts/ask';
import {Empty, Mark} from '../parts/marks';
import {useRead} from '../parts/use';
import {since} from '../time';
import type {Export} from '../types';
import {may} from '../who';

export function Exports() {
  const [again, setAgain] = useState(0);
  const {data, error} = useRead<Export[]>('v1/exports', 2000, again);
  if (!data) return <Empty>{error ? t('cannot_read', {why: error}) : t('loading')}</Empty>;
  if (data.length === 0) return <Empty>{t('no_exports')}</Empty>;
  const ask = (e: Export, what: 'pause' | 'resume') => confirm(t(`ask_${what}`, {name: e.name}), t(`ask_${what}_why`), async () => {
    await post(`v1/exports/${encodeURIComponent(e.name)}/${what}`, {});
    setAgain(again + 1);
    return `${e.name}: ${t(what === 'pause' ? 'paused' : 'running')}`;
  });
  const replay = (e: Export) => confirm(t('ask_replay', {name: e.name}), t('ask_replay_why'), async (form) => {
    await post(`v1/exports/${encodeURIComponent(e.name)}/replay`, {from: Number(form.get('from'))});
    setAgain(again + 1);
    return `${e.name}: ${t('replaying', {from: String(form.get('from'))})}`;
  }, <label>{t('first_record')} <input name="from" inputmode="numeric" pattern="[0-9]+" required autocomplete="off" /></label>);
  return (
    <section class="exports">
      {error && <p class="bad-text">{t('cannot_read', {why: error})}</p>}
      <table>
        <caption class="hidden">{t('exports')}</caption>
        <thead><tr>
          <th scope="col">{t('name')}</th><th scope="col">{t('export_target')}</th><th scope="col">{t('owner')}</th><th scope="col">{t('export_takes')}</th>
          <th scope="col">{t('export_backlog')}</th><th scope="col">{t('state')}</th>{feps.value.map((f) => <th key={f.id} scope="col">{t('reach_from', {node: f.id})}</th>)}
          {may('operator') && <th scope="col">{t('what')}</th>}
        </tr></thead>
        <tbody>{data.map((e) => (
          <tr key={e.name} id={`export-${e.name}`}>
            <th scope="row"><bdi>{e.name}</bdi></th>
            <td>{e.kind} <span class="dim">{e.target}</span></td>
            <td>{e.owner || t('nobody')}</td>
            <td>{[e.events && t('events'), e.audit && t('audit')].filter(Boolean).join(', ')}</td>
            <td>{e.backlog.toLocaleString()}{e.dropped > 0 && <> <Mark tone="bad">{t('dropped', {n: e.dropped})}</Mark></>}</td>
            <td>{!known.value || e.stale ? <Mark tone="unknown">{t('not_known')}</Mark> : e.paused ? <Mark tone="warn">{t('paused')}</Mark> : e.owner ? <Mark tone="good">{t('running')}</Mark> : <Mark tone="bad">{word(e.phase)}</Mark>}</td>
            {feps.value.map((f) => <td key={f.id}><Reach r={e.reach?.find((r) => r.node === f.id)} /></td>)}
            {may('operator') && <td class="buttons">
              <button type="button" disabled={!known.value} onClick={() => ask(e, e.paused ? 'resume' : 'pause')}>{t(e.paused ? 'resume' : 'pause')}</button>
              <button type="button" disabled={!known.value} onClick={() => replay(e)}>{t('replay')}…</button>
            </td>}
          </tr>
        ))}</tbody>
      </table>
    </section>
  );
}

function Reach({r}: {r?: Export['reach'][number]}) {
  if (!r || !known.value) return <Mark tone="unknown">{t('not_known')}</Mark>;
  return r.ok ? <Mark tone="good">{since(r.since_ms)}</Mark> : <Mark tone="bad">{r.reason} ({since(r.since_ms)})</Mark>;
}
