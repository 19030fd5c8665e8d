// The files of a configuration: those in force, or those that are to be.

import {parseTarGzip} from 'nanotar';
import {useEffect, useMemo, useState} from 'preact/hooks';

import {ask} from '../api';
import {t} from '../i18n';
import {List} from '../parts/list';
import {Empty} from '../parts/marks';
import {choose, chosen} from '../route';
import type {Problem} from '../types';
import {save} from './export';

export interface ConfigFile { name: string; text: string }

// readFiles gets the files of a version; 0: of the one in force. station.yaml is the first.
export async function readFiles(version: number): Promise<ConfigFile[]> {
  const packed = await (await ask(`v1/config/files?version=${version}`)).arrayBuffer();
  const files = (await parseTarGzip(packed)).map((f) => ({name: f.name, text: f.text}));
  return files.sort((a, b) => Number(b.name === 'station.yaml') - Number(a.name === 'station.yaml') || (a.name < b.name ? -1 : 1));
}

export function FilesInForce({again}: {again: string}) {
  const [files, setFiles] = useState<ConfigFile[] | undefined>(undefined);
  const [error, setError] = useState('');
  useEffect(() => {
    setError('');
    readFiles(0).then(setFiles, (e: Error) => setError(e.message));
  }, [again]);
  if (error) return <p class="bad-text">{t('cannot_read', {why: error})}</p>;
  if (!files) return <Empty>{t('loading')}</Empty>;
  return <Files files={files} problems={[]} />;
}

// Files shows one of them, chosen in the address, each problem at its line.
export function Files({files, problems}: {files: ConfigFile[]; problems: Problem[]}) {
  const file = files.find((f) => f.name === chosen.value.get('file')) ?? files[0];
  const lines = useMemo(() => file?.text.replace(/\n$/, '').split(/\r?\n/) ?? [], [file]);
  const wrong = useMemo(() => {
    const at = new Map<number, Problem[]>();
    for (const p of problems) if (p.file === file?.name) at.set(p.line, [...(at.get(p.line) ?? []), p]);
    return at;
  }, [problems, file]);
  const count = (name: string) => problems.filter((p) => p.file === name).length;
  if (!file) return null;
  return (
    <div class="files">
      <div class="filter">
        <label>{t('file')} <select id="config-file" value={file.name} onChange={(e) => choose({file: e.currentTarget.value})}>
          {files.map((f) => <option key={f.name} value={f.name}>{f.name}{count(f.name) > 0 ? ` ▲ ${count(f.name)}` : ''}</option>)}
        </select></label>
        <span class="dim">{t('lines', {n: lines.length})}</span>
        <button type="button" onClick={() => save(new Blob([file.text]), file.name.split('/').at(-1)!)}>{t('save_file')}</button>
      </div>
      <List count={lines.length} rowHeight={20} label={file.name} row={(i) => (
        <code class={wrong.has(i + 1) ? 'code wrong' : 'code'} role="cell" title={wrong.get(i + 1)?.map(inWords).join('\n')}>
          <span class="dim">{i + 1}</span><bdi>{lines[i]}</bdi>{wrong.has(i + 1) && <span class="bad-text"> ✕ {wrong.get(i + 1)!.map(inWords).join('; ')}</span>}
        </code>
      )} />
    </div>
  );
}

export const inWords = (p: Problem) => `${p.key ? `${p.key}: ` : ''}${p.problem}${p.expected ? `: ${t('expected', {what: p.expected})}` : ''}`;
