// Where the page is, and what is chosen there: all of it stands in the address, so that it can be sent to somebody.

import {computed, signal} from '@preact/signals';

export const views = ['station', 'conditions', 'events', 'points', 'frames', 'commissioning', 'takeovers', 'nodes', 'configuration', 'exports', 'fnp', 'access'] as const;
export type View = (typeof views)[number];

const hash = signal(location.hash);
addEventListener('hashchange', () => { hash.value = location.hash; });

export const view = computed<View>(() => {
  const name = hash.value.replace(/^#\/?/, '').split('?')[0] as View;
  return views.includes(name) ? name : 'station';
});

export const chosen = computed(() => new URLSearchParams(hash.value.split('?')[1] ?? ''));

export function address(to: View, choices: Record<string, string> = {}): string {
  const text = new URLSearchParams(Object.entries(choices).filter(([, v]) => v !== '')).toString();
  return `#/${to}${text && `?${text}`}`;
}

// choose changes what is chosen in the view, without a step in the browser's history for each key that is pressed.
export function choose(changes: Record<string, string>) {
  history.replaceState(null, '', address(view.value, {...Object.fromEntries(chosen.value), ...changes}));
  hash.value = location.hash;
}

export function go(to: View, choices: Record<string, string> = {}) {
  location.hash = address(to, choices);
}
