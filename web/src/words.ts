// Values and qualities in words, as the tool says them too.

import {t, word} from './i18n';
import type {Value} from './types';

// Quality bits (IEC 60870-5-101, 7.2.6.1 and 7.2.6.3).
const bits: [number, string][] = [[0x80, 'invalid'], [0x40, 'not topical'], [0x20, 'substituted'], [0x10, 'blocked'], [0x01, 'overflow']];

export const quality = (q: number) => bits.filter(([bit]) => q & bit).map(([, name]) => word(name)).join(', ') || t('good');

const single = ['0', '1'];
const double = ['0', '1', '2', '3'];
const names: Record<number, string[]> = {1: single, 2: single, 30: single, 3: double, 4: double, 31: double};
const singleWords = () => [t('control_off'), t('control_on')];
const doubleWords = () => ['00', t('control_off'), t('control_on'), '11'];

// value is that of a single or double point (TypeIDs 1 to 4, 30 and 31) by its name, any other as a number.
export function value(type: number, v: Value): string {
  if (typeof v === 'string') return v;
  const known = names[type];
  if (known && Number.isInteger(v) && v >= 0 && v < known.length) return (known === single ? singleWords() : doubleWords())[v];
  return Number.isInteger(v) ? String(v) : String(+v.toPrecision(7));
}
