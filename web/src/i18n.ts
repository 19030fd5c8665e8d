// Every sentence of the page, in two languages. A missing one in the second is a compile error.

import {effect, signal} from '@preact/signals';

import {en} from './words/en';
import {zh} from './words/zh';

export type Language = 'en' | 'zh';
export type Key = keyof typeof en;

const catalogues: Record<Language, Record<Key, string>> = {en, zh};

function initial(): Language {
  const kept = localStorage.getItem('language');
  if (kept === 'en' || kept === 'zh') return kept;
  return navigator.languages.some((l) => l.toLowerCase().startsWith('zh')) ? 'zh' : 'en';
}

export const language = signal<Language>(initial());

effect(() => {
  document.documentElement.lang = language.value === 'zh' ? 'zh-CN' : 'en';
});

export function choose(l: Language) {
  localStorage.setItem('language', l);
  language.value = l;
}

// t is a sentence with its {places} filled in.
export function t(key: Key, places: Record<string, string | number> = {}): string {
  return catalogues[language.value][key].replace(/\{(\w+)\}/g, (_, name: string) => String(places[name] ?? `{${name}}`));
}

// word translates one of the node's own words, such as a link's state; an unknown one stays as it is.
export function word(text: string): string {
  const key = `word_${text.replaceAll(/[- ]/g, '_')}` as Key;
  return catalogues[language.value][key] ?? text;
}

// said is what the node says in both languages, in the page's.
export const said = (en: string, zh: string) => (language.value === 'zh' && zh ? zh : en);
