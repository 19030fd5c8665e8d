// Times as the page shows them: in the station's zone, with its offset where the date matters.

import {signal} from '@preact/signals';

import {station} from './live';

// now is the browser's clock, second by second: durations on the page follow it.
export const now = signal(Date.now());
setInterval(() => { now.value = Date.now(); }, 1000);

let formats: {zone: string; clock: Intl.DateTimeFormat; day: Intl.DateTimeFormat; offset: Intl.DateTimeFormat} | undefined;

function formatsOf(zone: string) {
  if (formats?.zone === zone) return formats;
  const make = (o: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat('sv-SE', {timeZone: zone, ...o});
  formats = {
    zone,
    clock: make({hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3}),
    day: make({year: 'numeric', month: '2-digit', day: '2-digit'}),
    offset: new Intl.DateTimeFormat('en', {timeZone: zone, timeZoneName: 'longOffset'}),
  };
  return formats;
}

const zone = () => station.value?.time_zone || 'UTC';

// clock is the time of day: 13:04:05.123.
export const clock = (ms: number) => formatsOf(zone()).clock.format(ms).replace(',', '.');

// instant is date and time of day.
export const instant = (ms: number) => `${formatsOf(zone()).day.format(ms)} ${clock(ms)}`;

// offset is the zone's at an instant: +08:00.
export function offset(ms: number): string {
  const part = formatsOf(zone()).offset.formatToParts(ms).find((p) => p.type === 'timeZoneName')?.value ?? '';
  return part.replace('GMT', '') || '+00:00';
}

// duration is a length of time in two units at most: 3 d 4 h, 12 min 5 s, 0.4 s.
export function duration(ms: number): string {
  if (ms < 0) return '0 s';
  const s = Math.floor(ms / 1000);
  if (s < 1) return `${(ms / 1000).toFixed(1)} s`;
  const units: [number, string][] = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const i = units.findIndex(([n]) => s >= n);
  const [n, name] = units[i];
  const rest = units[i + 1] ? Math.floor((s % n) / units[i + 1][0]) : 0;
  return `${Math.floor(s / n)} ${name}${rest ? ` ${rest} ${units[i + 1][1]}` : ''}`;
}

export const since = (ms: number) => (ms ? duration(now.value - ms) : '–');
