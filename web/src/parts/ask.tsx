// Asks before something is done, does it, and says how it went.

import {signal} from '@preact/signals';
import type {ComponentChildren} from 'preact';
import {useEffect, useRef, useState} from 'preact/hooks';

import {t} from '../i18n';

interface Question { title: string; why: string; fields?: ComponentChildren; run: (form: FormData) => Promise<string> }

const question = signal<Question | undefined>(undefined);
const outcome = signal<{good: boolean; text: string} | undefined>(undefined);

// confirm asks first. run returns what was done, in words, or throws why it was not. It is given what was filled into the
// fields, if there are some.
export function confirm(title: string, why: string, run: Question['run'], fields?: ComponentChildren) {
  question.value = {title, why, run, fields};
}

// tell shows how something went, until the next time.
export function tell(good: boolean, text: string) {
  outcome.value = {good, text};
}

export function Ask() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  const q = question.value;
  useEffect(() => {
    if (q) dialog.current?.showModal();
  }, [q]);
  const close = () => {
    dialog.current?.close();
    question.value = undefined;
    setBusy(false);
  };
  const run = async (e: SubmitEvent) => {
    e.preventDefault();
    setBusy(true);
    try {
      tell(true, t('done', {what: await q!.run(new FormData(e.target as HTMLFormElement))}));
    } catch (error) {
      tell(false, t('failed', {why: (error as Error).message}));
    }
    close();
  };
  return (
    <>
      <dialog ref={dialog} id="ask" aria-labelledby="ask-title" onCancel={close}>
        {q && (
          <form onSubmit={run}>
            <h2 id="ask-title">{q.title}</h2>
            <p>{q.why}</p>
            {q.fields}
            <div class="buttons">
              <button type="button" disabled={busy} onClick={close}>{t('cancel')}</button>
              <button type="submit" class="primary" id="ask-yes" disabled={busy}>{t('yes')}</button>
            </div>
          </form>
        )}
      </dialog>
      {outcome.value && (
        <div class={`outcome ${outcome.value.good ? 'good' : 'bad'}`} role="status" id="outcome">
          <span>{outcome.value.text}</span>
          <button type="button" aria-label={t('close')} onClick={() => { outcome.value = undefined; }}>×</button>
        </div>
      )}
    </>
  );
}
