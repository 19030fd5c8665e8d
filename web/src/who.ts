// Who is looking, and what he may: what can't work for him isn't offered.

import {effect, signal} from '@preact/signals';

import {get, locked} from './api';

export interface Who { name: string; role: string; kind: string }

export type Role = 'viewer' | 'operator' | 'engineer' | 'admin';

const ranks: Record<string, number> = {viewer: 1, operator: 2, engineer: 3, admin: 4};

export const who = signal<Who | undefined>(undefined);

export const may = (least: Role) => (ranks[who.value?.role ?? ''] ?? 0) >= ranks[least];

async function ask() {
  if (locked.value) return;
  try {
    who.value = await get<Who>('v1/whoami');
  } catch { /* the page says that the node doesn't answer, or asks who is there */ }
}

effect(() => {
  if (locked.value) who.value = undefined;
  else void ask();
});
setInterval(ask, 30_000); // a role may change meanwhile
