// FNP: the channel table, what has come, and sending.

import {useState} from 'preact/hooks';

import {Refusal, post} from '../api';
import {t} from '../i18n';
import {known, nodes} from '../live';
import {tell} from '../parts/ask';
import {Empty, Mark} from '../parts/marks';
import {useRead} from '../parts/use';
import {address} from '../route';
import {duration, instant} from '../time';
import {may} from '../who';

interface Endpoint { id: number; owner: string; api: string; name: string; address: string }
interface Status { node: string; centre: {leader: string; stations: number; online: number; name: string; counters: Record<string, number> | null}; endpoint: Endpoint | null }
interface Entry { cn: number; id: number; name: string; level: number; addr: string; port: number; online: boolean; time: number; contested: boolean; rival?: {name: string; addr: string; port: number} }
interface Message { number: number; time_ms: number; from: number; cn: number; data: string }

export function FNP() {
  const {data: status, error} = useRead<Status>('v1/fnp', 2000);
  const {data: table} = useRead<{stations: Entry[] | null}>(status && 'v1/fnp/table?limit=1000', 2000);
  const {data: messages} = useRead<{messages: Message[] | null}>(status && 'v1/fnp/messages', 2000);
  if (!status) return <Empty>{error.startsWith('404') || error.includes('FNP') ? t('no_fnp') : error ? t('cannot_read', {why: error}) : t('loading')}</Empty>;
  return (
    <section class="fnp">
      <h2>{t('channel_table')} <span class="dim">{t('stations_online', {online: status.centre.online, n: status.centre.stations})}</span></h2>
      <p id="fnp-state">
        {status.endpoint && <>{t('endpoint_on', {id: status.endpoint.id, node: status.endpoint.owner || t('nobody'), address: status.endpoint.address})} · </>}
        {t('datagrams', {counters: Object.entries(status.centre.counters ?? {}).map(([name, n]) => `${name.replaceAll('_', ' ')} ${n.toLocaleString()}`).join(', ')})}
      </p>
      <table id="fnp-table">
        <caption class="hidden">{t('channel_table')}</caption>
        <thead><tr><th scope="col">CN</th><th scope="col">ID</th><th scope="col">{t('name')}</th><th scope="col">{t('level')}</th><th scope="col">{t('addresses')}</th><th scope="col">{t('state')}</th><th scope="col">{t('online')}</th></tr></thead>
        <tbody>
          {(table?.stations ?? []).map((s) => (
            <tr key={s.id}>
              <td>{s.cn}</td><td>{s.id}</td><td dir="auto"><bdi>{s.name}</bdi></td><td>{s.level}</td><td>{s.addr}:{s.port}</td>
              <td>{!known.value ? <Mark tone="unknown">{t('not_known')}</Mark> : s.online ? <Mark tone="good">{t('online')}</Mark> : <Mark tone="bad">{t('offline')}</Mark>} {s.contested && <Mark tone="warn"><bdi>{s.rival ? t('rival', {name: s.rival.name, address: `${s.rival.addr}:${s.rival.port}`}) : t('contested')}</bdi></Mark>}</td>
              <td>{duration(s.time * 1000)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <h2>{t('messages')}</h2>
      {status.endpoint && may('operator') && <Send status={status} />}
      {(messages?.messages ?? []).length === 0 ? <Empty>{t('nothing')}</Empty> : (
        <table>
          <caption class="hidden">{t('messages')}</caption>
          <thead><tr><th scope="col">{t('number')}</th><th scope="col">{t('time')}</th><th scope="col">{t('from')}</th><th scope="col">{t('message')}</th></tr></thead>
          <tbody>{[...(messages?.messages ?? [])].reverse().map((m) => (
            <tr key={m.number}><td>{m.number}</td><td><time>{instant(m.time_ms)}</time></td><td>{m.from}</td><td dir="auto"><bdi>{readable(m.data)}</bdi></td></tr>
          ))}</tbody>
        </table>
      )}
    </section>
  );
}

// readable is a message's octets as text where they are text, else in hex.
function readable(base64: string): string {
  const octets = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  try {
    const text = new TextDecoder('utf-8', {fatal: true}).decode(octets);
    if (!/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(text)) return text;
  } catch { /* no text */ }
  return [...octets].map((o) => o.toString(16).padStart(2, '0')).join(' ');
}

function Send({status}: {status: Status}) {
  const [busy, setBusy] = useState(false);
  const e = status.endpoint!;
  if (e.owner !== status.node) {
    const there = nodes.value.find((n) => n.id === e.owner);
    return <p>{there ? <a href={`${location.protocol}//${there.api}/${address('fnp')}`}>{t('endpoint_at', {node: e.owner})}</a> : t('endpoint_at', {node: e.owner || t('nobody')})}</p>;
  }
  const submit = async (ev: SubmitEvent) => {
    ev.preventDefault();
    const form = new FormData(ev.target as HTMLFormElement);
    setBusy(true);
    try {
      const sent = await post<{ms: number}>('v1/fnp/send', {to: Number(form.get('to')), text: form.get('text')});
      tell(true, t('sent_in', {n: sent.ms}));
    } catch (error) {
      tell(false, t('failed', {why: (error as Refusal).message}));
    }
    setBusy(false);
  };
  return (
    <form class="filter" onSubmit={submit}>
      <label>{t('to_station')} <input name="to" inputmode="numeric" pattern="[0-9]+" class="narrow" required /></label>
      <label>{t('message')} <input name="text" required /></label>
      <button type="submit" disabled={busy || !known.value}>{t('send')}</button>
    </form>
  );
}
