// Who did what: the newest entries of the audit, with the hashes that prove them.

import {said, t} from '../i18n';
import {Empty} from '../parts/marks';
import {useRead} from '../parts/use';
import {instant} from '../time';

interface Entry { number: number; time_ms: number; chain: string; text: string; text_zh: string; hash: string }

const shown = 200;

export function Audit() {
  const {data, error} = useRead<{last: number; entries: Entry[]}>(`v1/audit?limit=${shown}`, 5000);
  return (
    <>
      <h2>{t('audit')}</h2>
      <p class="dim">{t('audit_why', {n: shown})}</p>
      {error && <p class="bad-text">{t('cannot_read', {why: error})}</p>}
      {!data ? <Empty>{t('loading')}</Empty> : (
        <table id="audit">
          <caption class="hidden">{t('audit')}</caption>
          <thead><tr><th scope="col">{t('number')}</th><th scope="col">{t('time')}</th><th scope="col">{t('what')}</th><th scope="col">{t('hash')}</th></tr></thead>
          <tbody>{data.entries.toReversed().map((e) => (
            <tr key={e.number}><td>{e.number}</td><td><time>{instant(e.time_ms)}</time></td><td dir="auto"><bdi>{said(e.text, e.text_zh)}</bdi></td><td><code title={e.hash}>{e.hash.slice(0, 12)}</code></td></tr>
          ))}</tbody>
        </table>
      )}
    </>
  );
}
