// Who is looking, and who may.

import {keepToken, locked, post} from '../api';
import {t, word, type Key} from '../i18n';
import {tell} from '../parts/ask';
import {Empty} from '../parts/marks';
import {useRead} from '../parts/use';
import {instant} from '../time';

interface Who { name: string; role: string; insecure?: boolean }
interface User { name: string; role: string; expires_ms?: number; last_use_ms?: number }

export function Access() {
  const {data: who, error} = useRead<Who>('v1/whoami', 10_000);
  const admin = who?.role === 'admin';
  const {data: users} = useRead<{users: User[] | null}>(admin ? 'v1/users' : undefined, 5000);
  const {data: tokens} = useRead<{tokens: User[] | null}>(admin ? 'v1/tokens' : undefined, 5000);
  const leave = async () => {
    keepToken('');
    try {
      await post('v1/logout', {});
    } catch (e) {
      tell(false, t('failed', {why: (e as Error).message}));
    }
    locked.value = true;
  };
  if (!who) return <Empty>{error ? t('cannot_read', {why: error}) : t('loading')}</Empty>;
  return (
    <section class="access">
      <p>{t('logged_in', {name: who.name, role: word(who.role)})} {who.insecure ? t('insecure') : <button type="button" onClick={leave}>{t('log_out')}</button>}</p>
      <ul>{(['viewer', 'operator', 'engineer', 'admin'] as const).map((r) => <li key={r}>{t(`role_${r}` as Key)}</li>)}</ul>
      {admin && <List title={t('users')} rows={users?.users ?? []} />}
      {admin && <List title={t('tokens')} rows={tokens?.tokens ?? []} />}
    </section>
  );
}

function List({title, rows}: {title: string; rows: User[]}) {
  return (
    <>
      <h2>{title}</h2>
      {rows.length === 0 ? <Empty>{t('nothing')}</Empty> : (
        <table>
          <caption class="hidden">{title}</caption>
          <thead><tr><th scope="col">{t('name')}</th><th scope="col">{t('role')}</th><th scope="col">{t('expires')}</th><th scope="col">{t('last_use')}</th></tr></thead>
          <tbody>{rows.map((u) => (
            <tr key={u.name}><th scope="row"><bdi>{u.name}</bdi></th><td>{word(u.role)}</td><td>{u.expires_ms ? instant(u.expires_ms) : '–'}</td><td>{u.last_use_ms ? instant(u.last_use_ms) : '–'}</td></tr>
          ))}</tbody>
        </table>
      )}
    </>
  );
}
