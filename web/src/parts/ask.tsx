// Asks before something is done, does it, and says how it went.

import {signal} from '@preact/signals';
import {useEffect, useRef, useState} from 'preact/hooks';

import {t} from '../i18n';

interface Question { title: string; why: string; run: () => Promise<string> }

const question = signal<Question | undefined>(undefined);
const outcome = signal<{good: boolean; text: string} | undefined>(undefined);

// confirm asks first. run returns what was done, in words, or throws why it was not.
export function confirm(title: string, why: string, run: Question['run']) {
  question.value = {title, why, run};
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
  const run = async () => {
    setBusy(true);
    try {
      tell(true, t('done', {what: await q!.run()}));
    } catch (e) {
      tell(false, t('failed', {why: (e as Error).message}));
    }
    close();
  };
  return (
    <>
      <dialog ref={dialog} id="ask" aria-labelledby="ask-title" onCancel={close}>
        {q && (
          <>
            <h2 id="ask-title">{q.title}</h2>
            <p>{q.why}</p>
            <div class="buttons">
              <button type="button" disabled={busy} onClick={close}>{t('cancel')}</button>
              <button type="button" class="primary" id="ask-yes" disabled={busy} onClick={run}>{t('yes')}</button>
            </div>
          </>
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
