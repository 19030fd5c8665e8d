// Which configurations were in force: who put them in force, when, what they changed; back to an earlier one.

import {said, t} from '../i18n';
import {known} from '../live';
import {tell} from '../parts/ask';
import {Empty, Mark} from '../parts/marks';
import {useRead} from '../parts/use';
import {instant} from '../time';
import type {ConfigVersion} from '../types';
import {may} from '../who';
import {proposeVersion} from './change';

export function Versions({again}: {again: string}) {
  const {data, error} = useRead<ConfigVersion[]>('v1/config/history', 10_000, again);
  if (!data) return <Empty>{error ? t('cannot_read', {why: error}) : t('loading')}</Empty>;
  if (data.length === 0) return <Empty>{t('no_versions')}</Empty>;
  const back = async (n: number) => {
    try {
      await proposeVersion(n);
    } catch (e) {
      tell(false, t('failed', {why: (e as Error).message}));
    }
  };
  return (
    <table id="config-versions">
      <caption class="hidden">{t('config_history')}</caption>
      <thead><tr><th scope="col">{t('number')}</th><th scope="col">{t('time')}</th><th scope="col">{t('who')}</th><th scope="col">{t('what')}</th><th scope="col">{t('state')}</th></tr></thead>
      <tbody>{data.map((v) => (
        <tr key={v.number}>
          <th scope="row">{v.number}</th>
          <td>{instant(v.at_ms)}</td>
          <td><bdi>{v.by || t('own_files')}</bdi> <span class="dim">{v.node}</span></td>
          <td>{v.changes.length === 0 ? '–' : v.changes.map((c, i) => <div key={c}><bdi>{said(c, v.changes_zh[i])}</bdi></div>)}</td>
          <td>{v.in_force ? <Mark tone="good">{t('in_force')}</Mark> : may('engineer') && v.kept
            ? <button type="button" disabled={!known.value} onClick={() => void back(v.number)}>{t('back_to', {n: v.number})}</button>
            : !v.kept && <span class="dim">{t('not_kept')}</span>}</td>
        </tr>
      ))}</tbody>
    </table>
  );
}
