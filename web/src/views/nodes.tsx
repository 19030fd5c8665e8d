// The members of the group as the node that serves the page sees them.

import {post} from '../api';
import {t, word} from '../i18n';
import {known} from '../live';
import {confirm} from '../parts/ask';
import {Empty, Field, Mark} from '../parts/marks';
import {useRead} from '../parts/use';
import {duration, since} from '../time';
import type {Raft, RaftPeer} from '../types';
import {may} from '../who';

export function Nodes() {
  const {data: raft, error} = useRead<Raft>('v1/raft', 1000);
  if (!raft) return <Empty>{error ? t('cannot_read', {why: error}) : t('loading')}</Empty>;
  return (
    <section class="nodes">
      <dl class="fields">
        <Field label={t('leader')}>{raft.leader || t('nobody')}</Field>
        <Field label={t('term')}>{raft.term}</Field>
        <Field label={t('commit_index')}>{raft.commit_index.toLocaleString()}</Field>
        <Field label={t('applied')}>{raft.applied_index.toLocaleString()}</Field>
        <Field label={t('lease')}>{raft.lease ? t('ms', {n: raft.lease_left_ms}) : t('no_lease')}</Field>
        <Field label={t('commit_latency')}>{(raft.commit_p50_us / 1000).toFixed(2)}, {(raft.commit_p99_us / 1000).toFixed(2)}</Field>
      </dl>
      {error && <p class="bad-text">{t('cannot_read', {why: error})}</p>}
      <table>
        <caption class="hidden">{t('nodes')}</caption>
        <thead><tr>
          <th scope="col">{t('node')}</th><th scope="col">{t('role')}</th><th scope="col">{t('state')}</th><th scope="col">{t('voter')}</th><th scope="col">{t('lease')}</th><th scope="col">{t('last_contact')}</th>
          <th scope="col">{t('applied')}</th><th scope="col">{t('addresses')}</th><th scope="col">{t('version')}</th><th scope="col">{t('what')}</th>
        </tr></thead>
        <tbody>{raft.peers.map((p) => <Peer key={p.id} p={p} />)}</tbody>
      </table>
    </section>
  );
}

function Peer({p}: {p: RaftPeer}) {
  return (
    <tr>
      <th scope="row">{p.id}</th>
      <td>{word(p.role)}</td>
      <td>{!known.value ? <Mark tone="unknown">{t('not_known')}</Mark> : p.alive ? <Mark tone="good">{word(p.state || 'follower')}</Mark> : <Mark tone="bad">{t('dead')}, {since(p.since_ms)}</Mark>}</td>
      <td>{t(p.voter ? 'has_vote' : 'no_vote')}</td>
      <td>{p.role === 'fep' ? t(p.lease && known.value ? 'lease' : 'no_lease') : '–'}</td>
      <td>{p.last_contact_ms < 0 ? '–' : duration(p.last_contact_ms)}</td>
      <td>{p.applied_index.toLocaleString()}</td>
      <td>{p.address}</td>
      <td>{p.build} {p.config_differs && <Mark tone="warn">{t('config_differs')}</Mark>}</td>
      <td>{may('engineer') && p.role === 'fep' && p.state !== 'leader' && p.alive && (
        <button type="button" disabled={!known.value} onClick={() => confirm(t('ask_transfer', {node: p.id}), t('ask_transfer_why'), async () => {
          await post('v1/raft/transfer', {id: p.id});
          return `${t('leader')}: ${p.id}`;
        })}>{t('transfer')}</button>
      )}</td>
    </tr>
  );
}
