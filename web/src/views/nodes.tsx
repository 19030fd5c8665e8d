// The members of the group as the node that serves the page sees them: how each is, and who reaches whom.

import type {ComponentChildren} from 'preact';

import {post} from '../api';
import {t, word} from '../i18n';
import {known, station} from '../live';
import {confirm} from '../parts/ask';
import {Empty, Field, Mark} from '../parts/marks';
import {useRead} from '../parts/use';
import {duration, instant, now, since} from '../time';
import type {Raft, RaftPeer} from '../types';
import {may} from '../who';

const day = 86_400_000;             // ms
const clockFar = 100;               // ms between two clocks, from which on the order of events is in doubt
const certificateSoon = 30 * day;   // as the condition has it
const slowFsync = 100_000;          // us, likewise

export function Nodes() {
  const {data: raft, error} = useRead<Raft>('v1/raft', 1000);
  if (!raft) return <Empty>{error ? t('cannot_read', {why: error}) : t('loading')}</Empty>;
  return (
    <section class="nodes">
      {station.value?.outside && <p><Mark tone="warn">{t('node_waits', {node: raft.node})}</Mark></p>}
      <dl class="fields">
        <Field label={t('leader')}>{raft.leader || t('nobody')}</Field>
        <Field label={t('term')}>{raft.term}</Field>
        <Field label={t('commit_index')}>{raft.commit_index.toLocaleString()}</Field>
        <Field label={t('applied')}>{raft.applied_index.toLocaleString()}</Field>
        <Field label={t('lease')}>{raft.lease ? t('ms', {n: raft.lease_left_ms}) : t('no_lease')}</Field>
        <Field label={t('commit_latency')}>{(raft.commit_p50_us / 1000).toFixed(2)}, {(raft.commit_p99_us / 1000).toFixed(2)}</Field>
        <Field label={t('level')}>{raft.level}{raft.level < raft.newest_level && <span class="dim"> {t('level_newest', {n: raft.newest_level})}</span>}</Field>
      </dl>
      {error && <p class="bad-text">{t('cannot_read', {why: error})}</p>}
      <div class="scroll"><Members peers={raft.peers} leader={raft.leader} /></div>
      <h2>{t('who_sees')}</h2>
      <div class="scroll"><Matrix peers={raft.peers} /></div>
    </section>
  );
}

// Row says one thing of each node. What a node hasn't said is not known, and what a dead one said is old.
interface Row { name: string; of: (p: RaftPeer) => ComponentChildren }

function Members({peers, leader}: {peers: RaftPeer[]; leader: string}) {
  const unknown = <Mark tone="unknown">{t('not_known')}</Mark>;
  const vital = (say: (v: NonNullable<RaftPeer['vitals']>) => ComponentChildren) => (p: RaftPeer) => (p.vitals && p.alive && known.value ? say(p.vitals) : unknown);
  const rows: Row[] = [
    {name: t('role'), of: (p) => word(p.role)},
    {name: t('state'), of: (p) => (!known.value ? unknown : p.alive ? <Mark tone="good">{word(p.state || 'follower')}</Mark> : <Mark tone="bad">{t('dead')}, {since(p.since_ms)}</Mark>)},
    {name: t('at_hand'), of: (p) => (p.maintenance ? <Mark tone="warn">{t('in_maintenance')}</Mark> : p.stopping ? <Mark tone="warn">{t('stopping')}</Mark> : '–')},
    {name: t('voter'), of: (p) => (p.voter ? t('has_vote') : <Mark tone="warn">{t('no_vote')}</Mark>)},
    {name: t('lease'), of: (p) => (p.role !== 'fep' ? '–' : t(p.lease && known.value ? 'lease' : 'no_lease'))},
    {name: t('last_contact'), of: (p) => (p.last_contact_ms < 0 ? '–' : duration(p.last_contact_ms))},
    {name: t('applied'), of: (p) => p.applied_index.toLocaleString()},
    {name: t('memory'), of: vital((v) => (v.memory ? `${(v.memory / 2 ** 20).toFixed(0)} MiB` : unknown))},
    {name: t('cpu'), of: vital((v) => `${(v.cpu_permille / 10).toFixed(1)} %`)},
    {name: t('fsync'), of: vital((v) => (!v.fsync_us ? unknown : <Mark tone={v.fsync_us < slowFsync ? 'good' : 'warn'}>{t('ms', {n: (v.fsync_us / 1000).toFixed(1)})}</Mark>))},
    {name: t('disk_free'), of: vital((v) => (v.disk_size ? `${(v.disk_free / 2 ** 30).toFixed(1)} GiB (${((100 * v.disk_free) / v.disk_size).toFixed(0)} %)` : unknown))},
    {name: t('clock'), of: (p) => {
      if (!known.value || !p.alive) return unknown;
      const off = p.clock_ms;
      const said = p.vitals?.clock_synchronised;
      return (
        <>
          {p.id === leader ? t('clock_leader') : off === undefined ? unknown : <Mark tone={Math.abs(off) < clockFar ? 'good' : 'warn'}>{t('clock_off', {n: off > 0 ? `+${off}` : off})}</Mark>}
          {typeof said === 'boolean' && <> <Mark tone={said ? 'good' : 'warn'}>{t(said ? 'clock_synced' : 'clock_not_synced')}</Mark></>}
        </>
      );
    }},
    {name: t('certificates'), of: vital((v) => {
      if (!v.certificate_ends_ms) return t('no_certificates');
      const left = v.certificate_ends_ms - now.value;
      return <Mark tone={left < 0 ? 'bad' : left < certificateSoon ? 'warn' : 'good'}>{t('certificate_ends', {time: instant(v.certificate_ends_ms).slice(0, 10), n: Math.max(0, Math.floor(left / day))})}</Mark>;
    })},
    {name: t('version'), of: (p) => p.build || unknown},
    {name: t('configuration'), of: (p) => <>{p.digest ? <code>{p.digest.slice(0, 12)}</code> : unknown} {p.config_differs && <Mark tone="warn">{t('config_differs')}</Mark>}</>},
    {name: t('addresses'), of: (p) => p.address},
  ];
  return (
    <table class="facts">
      <caption class="hidden">{t('nodes')}</caption>
      <thead><tr><th scope="col">{t('node')}</th>{peers.map((p) => <th key={p.id} scope="col" id={`member-${p.id}`}>{p.id}</th>)}</tr></thead>
      <tbody>
        {rows.map((r) => <tr key={r.name}><th scope="row">{r.name}</th>{peers.map((p) => <td key={p.id}>{r.of(p)}</td>)}</tr>)}
        {may('engineer') && <tr><th scope="row">{t('what')}</th>{peers.map((p) => <td key={p.id}><Transfer p={p} /></td>)}</tr>}
      </tbody>
    </table>
  );
}

function Transfer({p}: {p: RaftPeer}) {
  if (p.role !== 'fep' || p.state === 'leader' || !p.alive) return null;
  return (
    <button type="button" disabled={!known.value} onClick={() => confirm(t('ask_transfer', {node: p.id}), t('ask_transfer_why'), async () => {
      await post('v1/raft/transfer', {id: p.id});
      return `${t('leader')}: ${p.id}`;
    })}>{t('transfer')}</button>
  );
}

// Matrix shows which node could connect to which when it tried last.
function Matrix({peers}: {peers: RaftPeer[]}) {
  const sees = (from: RaftPeer, to: RaftPeer) => {
    if (from.id === to.id) return '–';
    const v = from.alive && known.value ? from.vitals : undefined;
    if (v?.reaches.includes(to.id)) return <Mark tone="good">{t('reaches')}</Mark>;
    if (v?.misses.includes(to.id)) return <Mark tone="bad">{t('misses')}</Mark>;
    return <Mark tone="unknown">{t('not_known')}</Mark>;
  };
  return (
    <table id="who-sees" class="facts">
      <caption class="hidden">{t('who_sees')}</caption>
      <thead><tr><th scope="col">{t('from_to')}</th>{peers.map((p) => <th key={p.id} scope="col">{p.id}</th>)}</tr></thead>
      <tbody>{peers.map((from) => <tr key={from.id}><th scope="row">{from.id}</th>{peers.map((to) => <td key={to.id}>{sees(from, to)}</td>)}</tr>)}</tbody>
    </table>
  );
}
