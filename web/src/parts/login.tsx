// Asks who is there, when the node wants to know.

import {useEffect, useRef, useState} from 'preact/hooks';

import {ask, keepToken, locked} from '../api';
import {t} from '../i18n';

export function Login() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [byToken, setByToken] = useState(false);
  const [why, setWhy] = useState('');
  const open = locked.value;
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  const submit = async (e: SubmitEvent) => {
    e.preventDefault();
    const form = new FormData(e.target as HTMLFormElement);
    try {
      if (byToken) {
        keepToken(String(form.get('token')).trim());
        await ask('v1/status');
      } else {
        keepToken('');
        await ask('v1/login', {
          method: 'POST', headers: {'Content-Type': 'application/json'},
          body: JSON.stringify({name: form.get('name'), password: form.get('password')}),
        });
      }
      setWhy('');
      locked.value = false;
    } catch (error) {
      if (byToken) keepToken('');
      setWhy((error as Error).message);
    }
  };
  return (
    <dialog ref={dialog} id="login" aria-labelledby="login-title" onCancel={(e) => e.preventDefault()}>
      {open && (
        <form onSubmit={submit}>
          <h2 id="login-title">{t('login')}</h2>
          <p>{t('login_why')}</p>
          {byToken
            ? <label>{t('token')} <input name="token" type="password" autocomplete="off" required /></label>
            : (
              <>
                <label>{t('user')} <input name="name" autocomplete="username" required autofocus /></label>
                <label>{t('password')} <input name="password" type="password" autocomplete="current-password" required /></label>
              </>
            )}
          {why && <p class="bad-text" role="alert">{why}</p>}
          <div class="buttons">
            <button type="button" onClick={() => setByToken(!byToken)}>{t(byToken ? 'with_password' : 'with_token')}</button>
            <button type="submit" class="primary">{t('log_in')}</button>
          </div>
        </form>
      )}
    </dialog>
  );
}
