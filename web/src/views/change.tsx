// Putting another configuration in force: what is chosen, what is wrong with it, what it would change.

import {signal} from '@preact/signals';
import {createTarGzip} from 'nanotar';

import {Refusal, ask, parse} from '../api';
import {said, t} from '../i18n';
import {known} from '../live';
import {confirm} from '../parts/ask';
import {Empty, Mark} from '../parts/marks';
import {choose, go} from '../route';
import type {ConfigReply, Problem} from '../types';
import {Files, inWords, readFiles, type ConfigFile} from './files';

// Candidate is what may be put in force. It is kept while one looks at other views.
interface Candidate { version: number; chosen: string[]; files: ConfigFile[]; reply?: ConfigReply; refused?: string; problems: Problem[]; busy: boolean }

const candidate = signal<Candidate | undefined>(undefined);

// proposeVersion makes an earlier configuration the one that may be put in force again.
export async function proposeVersion(version: number) {
  candidate.value = {version, chosen: [], files: await readFiles(version), problems: [], busy: false};
  go('configuration', {show: 'change'});
  await send(true);
}

// proposeFiles takes the chosen files, and of those in force the others that station.yaml names.
async function proposeFiles(list: FileList) {
  const chosen = await Promise.all([...list].map(async (f) => ({name: f.name, text: await f.text()})));
  let inForce: ConfigFile[] = [];
  try {
    inForce = await readFiles(0);
  } catch { /* the group doesn't have them yet: all have to be chosen */ }
  // A browser doesn't say which folder a file is from: it is where one of that name lies, if one does.
  const placed = chosen.map((f) => {
    const lies = inForce.filter((g) => g.name.split('/').at(-1) === f.name);
    return {...f, name: lies.length === 1 ? lies[0].name : /\.ya?ml$/.test(f.name) ? 'station.yaml' : f.name};
  });
  const names = placed.map((f) => f.name);
  const station = placed.find((f) => f.name === 'station.yaml') ?? inForce.find((f) => f.name === 'station.yaml');
  const others = inForce.filter((f) => !names.includes(f.name) && (f.name === 'station.yaml' || station?.text.includes(f.name)));
  candidate.value = {version: 0, chosen: names, files: [...placed, ...others], problems: [], busy: false};
  await send(true);
}

// send has the nodes check the candidate, or put it in force.
async function send(dryRun: boolean) {
  const c = candidate.value!;
  candidate.value = {...c, busy: true, refused: undefined, problems: []};
  try {
    const response = await ask(`v1/config?dry_run=${dryRun ? 1 : 0}`, {method: 'POST', headers: {'Content-Type': 'application/octet-stream'}, body: await packed(c.files)});
    const reply: ConfigReply = parse(await response.text());
    candidate.value = {...c, busy: false, reply, problems: []};
  } catch (e) {
    const problems = e instanceof Refusal ? e.problems : [];
    candidate.value = {...c, busy: false, reply: undefined, refused: (e as Error).message, problems};
    if (problems.length > 0) choose({file: problems[0].file});
    if (!dryRun) throw e;
  }
}

// packed are files as the node wants them: gzip of tar.
async function packed(files: ConfigFile[]): Promise<Blob> {
  const octets = await createTarGzip(files.map((f) => ({name: f.name, data: f.text})));
  return new Blob([octets as Uint8Array<ArrayBuffer>]);
}

export function Change() {
  const c = candidate.value;
  const changes = c?.reply?.changes ?? [];
  const drops = changes.flatMap((change) => change.drops.map((d, i) => said(d, change.drops_zh[i])));
  return (
    <>
      <p class="dim">{t('upload_what')}</p>
      <form class="filter" onSubmit={(e) => e.preventDefault()}>
        <label>{t('upload')} <input type="file" id="config-upload" multiple accept=".yaml,.yml,.csv" onChange={(e) => { if (e.currentTarget.files?.length) void proposeFiles(e.currentTarget.files); e.currentTarget.value = ''; }} /></label>
        {c && <button type="button" disabled={c.busy || !known.value} onClick={() => void send(true)}>{t('check')}</button>}
        {c && <button type="button" id="config-apply" class="primary" disabled={c.busy || !c.reply || c.reply.applied || changes.length === 0 || !known.value}
          onClick={() => confirm(t('ask_apply'), drops.length ? drops.map((d) => t('drops', {what: d})).join('; ') : t('ask_apply_why'), async () => { await send(false); return t('changed'); })}>{t('apply')}</button>}
        {c && <button type="button" onClick={() => { candidate.value = undefined; }}>{t('forget')}</button>}
      </form>
      {c && <p id="candidate">{c.version ? t('candidate_version', {n: c.version}) : t('candidate_files', {names: c.chosen.join(', '), n: c.files.length - c.chosen.length})}</p>}
      {c?.busy && <Empty>{t('checking')}</Empty>}
      {c?.refused && <Refused c={c} />}
      {c?.reply && <Outcome reply={c.reply} />}
      {c && <Files files={c.files} problems={c.refused ? c.problems : c.reply?.warnings_at ?? []} />}
    </>
  );
}

function Refused({c}: {c: Candidate}) {
  return (
    <div class="problems" role="alert" id="config-problems">
      {c.problems.length === 0 ? c.refused : (
        <>
          <strong>{t('problems', {n: c.problems.length})}</strong>
          <Places problems={c.problems} />
        </>
      )}
    </div>
  );
}

// Places are problems, each a way to its line.
const Places = ({problems}: {problems: Problem[]}) => (
  <ul>{problems.slice(0, 200).map((p) => (
    <li key={`${p.file}:${p.line}:${p.column}:${p.key}:${p.problem}`}><button type="button" class="plain" onClick={() => choose({file: p.file})}>{p.file}{p.line > 0 && `:${p.line}:${p.column}`}</button> {inWords(p)}</li>
  ))}</ul>
);

function Outcome({reply}: {reply: ConfigReply}) {
  const behind = (reply.behind ?? []).filter((n) => !(reply.away ?? []).includes(n));
  return (
    <div id="config-outcome">
      <h2>{t(reply.applied ? 'changed' : 'would_change')}</h2>
      {!reply.changes?.length ? <Empty>{t('no_change')}</Empty> : (
        <ul>{reply.changes.map((c) => (
          <li key={c.what}><bdi>{said(`${c.what} ${c.how}${c.detail && `: ${c.detail}`}`, c.text_zh)}</bdi>
            {c.drops.map((d, i) => <div key={d}><Mark tone="warn">{t('drops', {what: said(d, c.drops_zh[i])})}</Mark></div>)}</li>
        ))}</ul>
      )}
      {(reply.away ?? []).length > 0 && <p><Mark tone="warn">{t('config_away', {nodes: reply.away!.join(', ')})}</Mark></p>}
      {reply.applied && behind.length > 0 && <p><Mark tone="warn">{t('config_behind', {nodes: behind.join(', ')})}</Mark></p>}
      {reply.warnings_total > 0 && (
        <>
          <h2><Mark tone="warn">{t('config_warnings', {n: reply.warnings_total})}</Mark></h2>
          <Places problems={reply.warnings_at ?? []} />
        </>
      )}
    </div>
  );
}
