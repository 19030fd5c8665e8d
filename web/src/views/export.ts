// The events that match, as a file.

import {get} from '../api';
import {said, t} from '../i18n';
import {station} from '../live';
import {tell} from '../parts/ask';
import {instant} from '../time';
import type {Event, EventPage} from '../types';

const most = 200_000;

async function matching(filter: string): Promise<Event[]> {
  const all: Event[] = [];
  for (let after = 0, more = true; more && all.length < most;) {
    const page: EventPage = await get(`v1/events?after=${after}&limit=10000&${filter}`);
    all.push(...page.events);
    after = page.scanned;
    more = page.more;
  }
  return all;
}

const columns = ['seq', 'time', 'rtu', 'kind', 'point', 'value', 'quality', 'text'] as const;
const cells = (e: Event) => [e.seq, instant(e.time_ms), e.rtu ?? '', e.note ? e.note.kind : e.kind, e.point ?? '', e.note ? '' : e.value, e.note ? '' : e.quality, said(e.text, e.text_zh)];

// save makes the browser keep a file.
export function save(content: Blob, name: string) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const nameOf = (ending: string) => `events-${station.value?.station ?? 0}.${ending}`;

async function exported(filter: string, write: (events: Event[]) => Promise<void>) {
  try {
    const events = await matching(filter);
    await write(events);
    if (events.length >= most) tell(true, t('export_limit', {n: most}));
  } catch (e) {
    tell(false, t('failed', {why: (e as Error).message}));
  }
}

// A text that a spreadsheet would take for a formula is marked as text.
const quoted = (v: string | number) => {
  const text = String(v);
  const safe = typeof v === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

export const exportCSV = (filter: string) => exported(filter, async (events) => {
  const rows = [columns.join(','), ...events.map((e) => cells(e).map(quoted).join(','))];
  save(new Blob(['\ufeff', rows.join('\r\n'), '\r\n'], {type: 'text/csv;charset=utf-8'}), nameOf('csv'));
});

export const exportXLSX = (filter: string) => exported(filter, async (events) => {
  const {default: write} = await import('write-excel-file/browser');
  const rows = [columns.map((c) => ({value: c, fontWeight: 'bold' as const})), ...events.map((e) => cells(e).map((value) => (value === '' ? null : {value})))];
  save(await write(rows).toBlob(), nameOf('xlsx'));
});
