// What is in force, section by section, every default written out.

import {useState} from 'preact/hooks';

import {t} from '../i18n';
import {Empty, Field} from '../parts/marks';
import {useRead} from '../parts/use';

type Setting = string | number | boolean | null | Setting[] | {[key: string]: Setting};
type Settings = {[key: string]: Setting};

// sections are the keys of station.yaml, in the order in which a person asks for them, and what tells the entries of a list apart.
const sections = [
  ['station', []], ['cluster', ['id', 'role', 'address']], ['rtus', ['number', 'name', 'channels']], ['uplinks', ['name', 'mode', 'listen']], ['virtual_points', []],
  ['fnp', []], ['redis', []], ['exports', ['name', 'kind', 'content']], ['journal', []], ['trend', []], ['security', []],
] as const;

export function Settings({again}: {again: string}) {
  const {data, error} = useRead<Settings>('v1/config/settings', 60_000, again);
  const [find, setFind] = useState('');
  if (!data) return <Empty>{error ? t('cannot_read', {why: error}) : t('loading')}</Empty>;
  return (
    <>
      <p class="dim">{t('settings_what')}</p>
      <form class="filter" role="search" onSubmit={(e) => e.preventDefault()}>
        <label>{t('search_list')} <input type="search" id="settings-find" value={find} onInput={(e) => setFind(e.currentTarget.value)} /></label>
      </form>
      {sections.map(([key, heads]) => (
        <section key={key} class="settings" id={`section-${key}`}>
          <h2>{t(`section_${key}`)}</h2>
          <Section value={data[key]} heads={heads} find={find.toLowerCase()} />
        </section>
      ))}
    </>
  );
}

const isObject = (v: Setting): v is {[key: string]: Setting} => typeof v === 'object' && v !== null && !Array.isArray(v);
const isList = (v: Setting): v is {[key: string]: Setting}[] => Array.isArray(v) && v.length > 0 && v.every(isObject);

function Section({value, heads, find}: {value: Setting | undefined; heads: readonly string[]; find: string}) {
  if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) return <p class="dim">{t('not_used')}</p>;
  if (isList(value)) return <Entries list={value} heads={heads} find={find} />;
  if (!isObject(value)) return <p><bdi>{flat(value)}</bdi></p>;
  const lists = Object.entries(value).filter(([, v]) => isList(v));
  return (
    <>
      <dl class="fields">{Object.entries(value).filter(([, v]) => !isList(v)).map(([k, v]) => <Field key={k} label={k}><bdi>{flat(v)}</bdi></Field>)}</dl>
      {lists.map(([k, v]) => <Entries key={k} list={v as {[key: string]: Setting}[]} heads={heads} find={find} />)}
    </>
  );
}

const most = 200; // entries of a list that are shown at once

function Entries({list, heads, find}: {list: {[key: string]: Setting}[]; heads: readonly string[]; find: string}) {
  const found = list.filter((e) => !find || heads.some((h) => flat(e[h]).toLowerCase().includes(find)));
  return (
    <>
      {found.slice(0, most).map((e) => <Entry key={flat(e[heads[0]])} entry={e} heads={heads} />)}
      {found.length === 0 && <p class="dim">{t('nothing_found')}</p>}
      {found.length > most && <p class="dim">{t('list_cut', {n: most, of: found.length})}</p>}
    </>
  );
}

function Entry({entry, heads}: {entry: {[key: string]: Setting}; heads: readonly string[]}) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>{heads.map((h, i) => <span key={h}>{i > 0 && ' · '}<bdi>{flat(entry[h])}</bdi></span>)}</summary>
      {open && <dl class="fields">{Object.entries(entry).map(([k, v]) => <Field key={k} label={k}><bdi>{flat(v)}</bdi></Field>)}</dl>}
    </details>
  );
}

// flat is a value in a line: what is in braces in station.yaml is so here.
function flat(v: Setting | undefined): string {
  if (v === undefined || v === null) return '–';
  if (Array.isArray(v)) return v.length ? v.map(flat).join(', ') : '–';
  if (typeof v !== 'object') return String(v);
  const entries = Object.entries(v);
  return entries.length === 1 ? `${entries[0][0]} ${flat(entries[0][1])}` : `{${entries.map(([k, e]) => `${k}: ${flat(e)}`).join(', ')}}`;
}
