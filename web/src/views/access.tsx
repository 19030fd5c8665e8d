// Who is looking, and who may: users and tokens, for admins.

import {useState} from 'preact/hooks';

import {keepToken, locked, post} from '../api';
import {forgetCode} from '../live';
import {t, word, type Key} from '../i18n';
import {confirm, tell} from '../parts/ask';
import {Empty} from '../parts/marks';
import {useRead} from '../parts/use';
import {instant} from '../time';
import {may, who} from '../who';
import {Audit} from './audit';

interface Entry { name: string; role: string; expires_ms: number; used_ms?: number; sessions?: number; source?: string }

const roles = ['viewer', 'operator', 'engineer', 'admin'] as const;

export function Access() {
  const [again, setAgain] = useState(0);
  const {data: users} = useRead<Entry[]>(may('admin') ? 'v1/users' : undefined, 5000, again);
  const {data: tokens} = useRead<Entry[]>(may('admin') ? 'v1/tokens' : undefined, 5000, again);
  const w = who.value;
  if (!w) return <Empty>{t('loading')}</Empty>;
  const leave = async () => {
    keepToken('');
    forgetCode();
    try {
      await post('v1/logout', {});
    } catch (e) {
      tell(false, t('failed', {why: (e as Error).message}));
    }
    locked.value = true;
  };
  const changed = () => setAgain((n) => n + 1);
  return (
    <section class="access">
      <p>{t('logged_in', {name: w.name, role: word(w.role)})} {w.kind === 'local' ? t('insecure') : <button type="button" onClick={leave}>{t('log_out')}</button>}</p>
      <ul>{roles.map((r) => <li key={r}>{t(`role_${r}` as Key)}</li>)}</ul>
      {may('admin') && <Users users={users ?? []} changed={changed} />}
      {may('admin') && <Tokens tokens={tokens ?? []} changed={changed} />}
      {may('admin') && <Audit />}
    </section>
  );
}

const roleSelect = <select name="role">{roles.map((r) => <option key={r} value={r}>{r}</option>)}</select>;

// submitted runs what a form asks for, and empties the form when it is done.
function submitted(run: (form: FormData) => Promise<void>) {
  return async (e: SubmitEvent) => {
    e.preventDefault();
    const form = e.target as HTMLFormElement;
    try {
      await run(new FormData(form));
      form.reset();
    } catch (error) {
      tell(false, t('failed', {why: (error as Error).message}));
    }
  };
}

function Users({users, changed}: {users: Entry[]; changed: () => void}) {
  const add = submitted(async (form) => {
    await post('v1/users', {name: form.get('name'), role: form.get('role'), password: form.get('password')});
    tell(true, t('done', {what: `${form.get('name')}`}));
    changed();
  });
  return (
    <>
      <h2>{t('users')}</h2>
      <Table title={t('users')} rows={users} remove={(u) => confirm(t('ask_remove', {name: u.name}), t('ask_remove_why'), async () => {
        await post(`v1/users/${encodeURIComponent(u.name)}/remove`, {});
        changed();
        return u.name;
      })} />
      <form class="filter" id="new-user" onSubmit={add}>
        <label>{t('user')} <input name="name" required autocomplete="off" /></label>
        <label>{t('role')} {roleSelect}</label>
        <label>{t('password')} <input name="password" type="password" minLength={10} maxLength={72} required autocomplete="new-password" /></label>
        <button type="submit">{t('add')}</button>
      </form>
    </>
  );
}

function Tokens({tokens, changed}: {tokens: Entry[]; changed: () => void}) {
  const [secret, setSecret] = useState('');
  const create = submitted(async (form) => {
    const made = await post<{token: string}>('v1/tokens', {name: form.get('name'), role: form.get('role')});
    setSecret(made.token);
    changed();
  });
  return (
    <>
      <h2>{t('tokens')}</h2>
      <Table title={t('tokens')} rows={tokens} remove={(u) => confirm(t('ask_remove', {name: u.name}), t('ask_revoke_why'), async () => {
        await post(`v1/tokens/${encodeURIComponent(u.name)}/revoke`, {});
        changed();
        return u.name;
      })} />
      <form class="filter" id="new-token" onSubmit={create}>
        <label>{t('name')} <input name="name" required autocomplete="off" /></label>
        <label>{t('role')} {roleSelect}</label>
        <button type="submit">{t('add')}</button>
      </form>
      {secret && <p role="status">{t('token_once')} <code>{secret}</code></p>}
    </>
  );
}

function Table({title, rows, remove}: {title: string; rows: Entry[]; remove: (e: Entry) => void}) {
  if (rows.length === 0) return <Empty>{t('nothing')}</Empty>;
  return (
    <table>
      <caption class="hidden">{title}</caption>
      <thead><tr><th scope="col">{t('name')}</th><th scope="col">{t('role')}</th><th scope="col">{t('expires')}</th><th scope="col">{t('last_use')}</th><th scope="col">{t('what')}</th></tr></thead>
      <tbody>{rows.map((u) => (
        <tr key={u.name}>
          <th scope="row"><bdi>{u.name}</bdi></th><td>{word(u.role)}</td><td>{u.expires_ms ? instant(u.expires_ms) : '–'}</td><td>{u.used_ms ? instant(u.used_ms) : '–'}</td>
          <td>{u.source !== 'file' && <button type="button" onClick={() => remove(u)}>{t('remove')}</button>}</td>
        </tr>
      ))}</tbody>
    </table>
  );
}
