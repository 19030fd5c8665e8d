// Who has owned what: why it changed, how long each phase took, who did it.

import {useEffect, useState} from 'preact/hooks';

import {get} from '../api';
import {language, t, word, type Key} from '../i18n';
import {journal, rtus, uplinks} from '../live';
import {Empty} from '../parts/marks';
import {Plot} from '../parts/plot';
import {useRead} from '../parts/use';
import {instant} from '../time';
import type {Event, EventPage, Note, Raft} from '../types';

const phases: [Key, keyof Note][] = [
  ['phase_detected', 'detected_ms'], ['phase_elected', 'elected_ms'], ['phase_leased', 'leased_ms'], ['phase_connected', 'connected_ms'], ['phase_first_data', 'first_data_ms'],
];

// useTakeovers pairs each change of owner with what is told of it once the new owner is at work.
function useTakeovers() {
  const [list, setList] = useState<Event[] | undefined>(undefined);
  const epochs = [...rtus.value, ...uplinks.value].map((r) => r.epoch).join(); // each change of owner changes one
  useEffect(() => {
    const gone = new AbortController();
    const read = async () => {
      const [owners, activated] = await Promise.all(['owner', 'activated'].map(async (kind) => {
        const all: Event[] = [];
        for (let before = Number.MAX_SAFE_INTEGER, more = true; more && all.length < 100;) {
          const page: EventPage = await get(`v1/events?kind=${kind}&limit=100&before=${before}`, gone.signal);
          all.push(...page.events);
          before = page.scanned;
          more = page.more;
        }
        return all;
      }));
      const timed = new Map(activated.map((e) => [`${e.note?.resource}:${e.note?.epoch}`, e.note]));
      setList(owners.map((e) => ({...e, note: {...e.note!, ...timed.get(`${e.note?.resource}:${e.note?.epoch}`), kind: 'owner', from: e.note?.from, reason: e.note?.reason, origin: e.note?.origin}})));
    };
    const quietly = () => read().catch(() => {}); // the banner says that the node does not answer
    void quietly();
    const timings = setTimeout(quietly, 3000); // how long it took is told when data has come
    return () => {
      clearTimeout(timings);
      gone.abort();
    };
  }, [epochs, language.value]);
  return list;
}

export function Takeovers() {
  const list = useTakeovers();
  return (
    <section class="takeovers">
      <Rates />
      {list?.length === 0 && <Empty>{t('takeovers_none')}</Empty>}
      {list === undefined && <Empty>{t('loading')}</Empty>}
      <table>
        <caption class="hidden">{t('takeovers')}</caption>
        <thead><tr><th scope="col">{t('time')}</th><th scope="col">{t('resource')}</th><th scope="col">{t('owner')}</th><th scope="col">{t('reason')}</th><th scope="col">{t('phases')}</th><th scope="col">{t('gap')}</th><th scope="col">{t('who')}</th></tr></thead>
        <tbody>
          {list?.map((e) => (
            <tr key={e.seq}>
              <td><time>{instant(e.time_ms)}</time></td>
              <td>{e.note?.resource}</td>
              <td>{e.note?.from || t('nobody')} → <strong>{e.note?.to || t('nobody')}</strong></td>
              <td>{word(e.note?.reason ?? '')}</td>
              <td><Phases note={e.note!} /></td>
              <td>{e.note?.first_data_ms ? t('ms', {n: e.note.first_data_ms}) : '–'}</td>
              <td>{e.note?.origin}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Phases({note}: {note: Note}) {
  const parts = phases.map(([label, field]) => ({label, at: Number(note[field] ?? 0)})).filter((p) => p.at > 0);
  const end = parts.at(-1)?.at ?? 0;
  if (!end) return <>–</>;
  let before = 0;
  const words = parts.map((p) => `${t(p.label)} ${p.at} ms`).join(', ');
  return (
    <svg class="phases" viewBox="0 0 200 14" role="img" aria-label={words}>
      <title>{words}</title>
      {parts.map((p, i) => {
        const x = (before / end) * 200;
        const w = ((p.at - before) / end) * 200;
        before = p.at;
        return <rect key={p.label} class={`phase-${i}`} x={x} y="1" width={Math.max(1, w)} height="12" />;
      })}
    </svg>
  );
}

interface Sample { at: number; p50: number; p99: number; last: number; lease: number | null; backlog: (number | null)[] }

const courseOf = 600; // samples, one a second

// Rates are drawn from what the node says each second while the view is open.
function Rates() {
  const {data} = useRead<Raft>('v1/raft', 1000);
  const [samples, setSamples] = useState<Sample[]>([]);
  const last = journal.value?.last ?? 0;
  const groups = uplinks.value.slice(0, 3).map((u) => `${u.name}/${u.group}`);
  useEffect(() => {
    if (!data) return;
    const backlog = groups.map((name) => uplinks.value.find((u) => `${u.name}/${u.group}` === name)?.backlog ?? null);
    const now = {at: Date.now() / 1000, p50: data.commit_p50_us / 1000, p99: data.commit_p99_us / 1000, last, lease: data.lease ? data.lease_left_ms : null, backlog};
    setSamples((s) => [...s.slice(1 - courseOf), now]);
  }, [data]);
  const x = samples.map((s) => s.at);
  const rate = samples.map((s, i) => (i ? Math.max(0, (s.last - samples[i - 1].last) / (s.at - samples[i - 1].at)) : 0));
  return (
    <div class="plots">
      <figure><figcaption>{t('commit_latency')}</figcaption><Plot height={140} names={['p50', 'p99']} data={[x, samples.map((s) => s.p50), samples.map((s) => s.p99)]} /></figure>
      <figure><figcaption>{t('event_rate')}</figcaption><Plot height={140} names={[t('event_rate')]} data={[x, rate]} /></figure>
      <figure><figcaption>{t('backlog_plot')}</figcaption><Plot height={140} names={groups} data={[x, ...groups.map((_, i) => samples.map((s) => s.backlog[i] ?? null))]} /></figure>
      <figure><figcaption>{t('lease_margin', {node: data?.node ?? ''})}</figcaption><Plot height={140} names={[t('lease')]} data={[x, samples.map((s) => s.lease)]} /></figure>
    </div>
  );
}
