// Small things that stand in many views. What a colour tells, a shape or a word tells too.

import type {ComponentChildren} from 'preact';

import {word} from '../i18n';

export type Tone = 'good' | 'bad' | 'warn' | 'idle' | 'unknown';

const shapes: Record<Tone, string> = {good: '●', bad: '✕', warn: '▲', idle: '○', unknown: '?'};

export function Mark({tone, children}: {tone: Tone; children?: ComponentChildren}) {
  return <span class={`mark ${tone}`}><span aria-hidden="true">{shapes[tone]}</span>{children !== undefined && <> {children}</>}</span>;
}

export const linkTone = (state: string): Tone => ({active: 'good', standby: 'idle', connecting: 'warn'} as Record<string, Tone>)[state] ?? 'bad';

export const LinkState = ({state}: {state: string}) => <Mark tone={linkTone(state)}>{word(state)}</Mark>;

export function Field({label, children}: {label: string; children: ComponentChildren}) {
  return <div class="field"><dt>{label}</dt><dd>{children}</dd></div>;
}

export function Empty({children}: {children: ComponentChildren}) {
  return <p class="empty">{children}</p>;
}
