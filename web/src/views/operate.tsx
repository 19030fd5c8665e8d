// Operating a device: choose, select, and execute what the device has confirmed; or send at once.

import {signal} from '@preact/signals';
import {useEffect, useRef, useState} from 'preact/hooks';

import {post} from '../api';
import {t, word} from '../i18n';
import {known} from '../live';
import {Mark} from '../parts/marks';
import {now} from '../time';
import type {Control, Operable} from '../types';
import {keyOf} from './point';

const selectFor = 30_000; // ms that a person has between select and execute

const operated = signal<Operable | undefined>(undefined);

export const operate = (o: Operable) => { operated.value = o; };

const regulating = [47, 60]; // C_RC_NA_1, C_RC_TA_1: a step lower or higher

export function Operate() {
  const o = operated.value;
  return o ? <Dialog key={keyOf(o)} o={o} /> : null;
}

function Dialog({o}: {o: Operable}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [value, setValue] = useState(o.kind === 'do' ? 'on' : '');
  const [selected, setSelected] = useState<Control | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState<{good: boolean; text: string} | undefined>(undefined);
  useEffect(() => { dialog.current?.showModal(); }, []);
  const close = () => {
    if (selected) send('cancel', selected.id).catch(() => {}); // it lapses by itself too
    dialog.current?.close();
    operated.value = undefined;
  };
  const send = (phase: string, selection = '') => post<Control>('v1/controls', {
    rtu: o.rtu, kind: o.kind, point: o.point, phase, ...(selection && {select_id: selection}), timeout_ms: phase === 'select' ? selectFor : 10_000,
    ...(o.kind === 'do' ? {state: value} : {value: Number(value)}),
  });
  const step = async (phase: string) => {
    setBusy(true);
    setResult(undefined);
    try {
      const c = await send(phase, phase === 'select' ? '' : selected?.id);
      setSelected(phase === 'select' && c.ok ? c : undefined);
      const after = c.done_ms - c.submitted_ms;
      setResult({good: c.ok, text: c.ok ? t(phase === 'select' ? 'select_confirmed' : phase === 'cancel' ? 'select_cancelled' : 'control_done', {n: after}) : t('control_refused', {why: c.reason})});
    } catch (e) {
      setSelected(undefined);
      setResult({good: false, text: t('failed', {why: (e as Error).message})});
    }
    setBusy(false);
  };
  const left = selected ? selected.deadline_ms - now.value : 0;
  const lapsed = selected !== undefined && left <= 0;
  const ready = known.value && !busy && value !== '' && (o.kind === 'do' || Number.isFinite(Number(value)));
  const words = (v: string) => word(regulating.includes(o.type) ? {on: 'higher', off: 'lower'}[v] ?? v : v);
  return (
    <dialog ref={dialog} id="operate" aria-labelledby="operate-title" onCancel={(e) => { e.preventDefault(); close(); }}>
      <h2 id="operate-title">{t('operate_what', {what: keyOf(o)})} <bdi>{o.name}</bdi></h2>
      {o.kind === 'do'
        ? <label>{t('value')} <select id="operate-value" value={value} disabled={selected !== undefined || busy} onChange={(e) => setValue(e.currentTarget.value)}>
          {['on', 'off'].map((v) => <option key={v} value={v}>{words(v)}</option>)}
        </select></label>
        : <label>{t('value')} {o.unit} <input id="operate-value" inputmode="decimal" autocomplete="off" value={value} disabled={selected !== undefined || busy} onInput={(e) => setValue(e.currentTarget.value)} /></label>}
      {selected && !lapsed && <p><Mark tone="warn"><strong>{t('execute_within', {what: `${keyOf(o)} ${o.name}`, value: o.kind === 'do' ? words(value) : `${value} ${o.unit ?? ''}`, n: Math.ceil(left / 1000)})}</strong></Mark></p>}
      {lapsed && <p><Mark tone="bad">{t('select_lapsed')}</Mark></p>}
      {busy && <p class="dim">{t('waiting_for_device')}</p>}
      {result && <p role="status" id="operate-result"><Mark tone={result.good ? 'good' : 'bad'}>{result.text}</Mark></p>}
      <div class="buttons">
        <button type="button" onClick={close}>{t('close')}</button>
        {selected && !lapsed
          ? (
            <>
              <button type="button" disabled={busy} onClick={() => step('cancel')}>{t('cancel_select')}</button>
              <button type="button" class="primary" id="execute" disabled={!ready} onClick={() => step('execute')}>{t('execute')}</button>
            </>
          )
          : <button type="button" class="primary" id="select" disabled={!ready} onClick={() => step('select')}>{t('select')}</button>}
      </div>
      {!selected && <Direct what={`${keyOf(o)} ${o.name}`} value={words(value)} ready={ready} send={() => step('')} />}
    </dialog>
  );
}

// Direct sends without selecting first, to devices that know no select: it's asked for twice.
function Direct({what, value, ready, send}: {what: string; value: string; ready: boolean; send: () => void}) {
  const [sure, setSure] = useState(false);
  return (
    <details>
      <summary>{t('without_select')}</summary>
      <label class="check"><input type="checkbox" checked={sure} onChange={(e) => setSure(e.currentTarget.checked)} /> {t('sure_to_send', {what, value})}</label>
      <button type="button" id="send-direct" disabled={!ready || !sure} onClick={() => { setSure(false); send(); }}>{t('send_control')}</button>
    </details>
  );
}
