// What is in force, and putting another configuration in force.

import {createTarGzip} from 'nanotar';
import {useState} from 'preact/hooks';

import {ask, parse} from '../api';
import {t} from '../i18n';
import {known} from '../live';
import {confirm} from '../parts/ask';
import {Empty, Field, Mark} from '../parts/marks';
import {useRead} from '../parts/use';
import {may} from '../who';

interface Running { node: string; digest: string; in_force: string }
interface Change { what: string; how: string; detail: string; drops: string[] }
interface Reply { digest: string; applied: boolean; changes: Change[] | null; behind: string[] | null }

export function Configuration() {
  const {data, error} = useRead<Running>('v1/config', 2000);
  const [reply, setReply] = useState<Reply | undefined>(undefined);
  const [problems, setProblems] = useState('');
  const [files, setFiles] = useState<File[]>([]);
  const send = async (dryRun: boolean) => {
    setProblems('');
    try {
      const bundle = await bundleOf(files);
      const response = await ask(`v1/config?dry_run=${dryRun ? 1 : 0}`, {method: 'POST', headers: {'Content-Type': 'application/octet-stream'}, body: bundle});
      setReply(parse(await response.text()));
    } catch (e) {
      setReply(undefined);
      setProblems((e as Error).message);
      if (!dryRun) throw e;
    }
  };
  return (
    <section class="configuration">
      {error && <p class="bad-text">{t('cannot_read', {why: error})}</p>}
      {data && (
        <>
          <dl class="fields">
            <Field label={t('in_force')}><code>{data.in_force.slice(0, 16)}</code></Field>
            <Field label={t('this_node')}><code>{data.digest.slice(0, 16)}</code></Field>
          </dl>
          <p>{data.digest === data.in_force ? <Mark tone="good">{t('config_same')}</Mark> : <Mark tone="warn">{t('config_other')}</Mark>}</p>
        </>
      )}
      {may('engineer') && <form class="filter" onSubmit={(e) => e.preventDefault()}>
        <label>{t('upload')} <input type="file" multiple accept=".yaml,.yml,.csv" onChange={(e) => { setFiles([...(e.currentTarget.files ?? [])]); setReply(undefined); setProblems(''); }} /></label>
        <button type="button" disabled={files.length === 0 || !known.value} onClick={() => void send(true)}>{t('check')}</button>
        <button type="button" class="primary" disabled={!reply || reply.applied || !(reply.changes?.length) || !known.value}
          onClick={() => confirm(t('ask_apply'), (reply?.changes ?? []).flatMap((c) => c.drops ?? []).map((d) => t('drops', {what: d})).join('; '), async () => { await send(false); return t('changed'); })}>{t('apply')}</button>
      </form>}
      {problems && <pre class="problems" role="alert">{problems}</pre>}
      {reply && (
        <>
          <h2>{t(reply.applied ? 'changed' : 'would_change')}</h2>
          {!reply.changes?.length ? <Empty>{t('no_change')}</Empty> : (
            <ul>{reply.changes.map((c) => (
              <li key={c.what}><strong>{c.what}</strong> {t(c.how === 'added' ? 'change_added' : c.how === 'removed' ? 'change_removed' : 'change_changed')} {c.detail}
                {(c.drops ?? []).map((d) => <div key={d}><Mark tone="warn">{t('drops', {what: d})}</Mark></div>)}</li>
            ))}</ul>
          )}
        </>
      )}
    </section>
  );
}

// bundleOf packs the chosen files as the node wants them: gzip of tar.
async function bundleOf(files: File[]): Promise<Blob> {
  const packed = await createTarGzip(await Promise.all(files.map(async (f) => ({name: f.name, data: await f.arrayBuffer()}))));
  return new Blob([packed as Uint8Array<ArrayBuffer>]);
}
