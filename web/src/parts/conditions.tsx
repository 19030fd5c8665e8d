// What is wrong, on top of every view: the gravest first, with what to do.

import {post} from '../api';
import {said, t} from '../i18n';
import {conditions, known, lostSince, lostWhy, state, station} from '../live';
import {address} from '../route';
import {duration, instant, now, since} from '../time';
import type {Condition} from '../types';
import {may} from '../who';
import {tell} from './ask';
import {Mark} from './marks';

export function Banner() {
  const node = station.value?.node ?? '';
  if (state.value === 'connecting') return <div class="banner unknown" role="status" id="banner"><Mark tone="unknown">{t('connecting')} {lostWhy.value}</Mark></div>;
  if (state.value === 'lost') {
    const time = duration(now.value - lostSince.value);
    return (
      <div class="banner alarm" role="alert" id="banner">
        <Mark tone="bad">{lostWhy.value ? t('lost_why', {node, time, why: lostWhy.value}) : t('lost', {node, time})}</Mark>
      </div>
    );
  }
  if (station.value?.outside) return <div class="banner warning" role="alert" id="banner"><Mark tone="warn">{t('node_waits', {node})}</Mark></div>;
  if (!known.value) return <div class="banner alarm" role="alert" id="banner"><Mark tone="bad">{t('no_quorum')}</Mark></div>;
  const open = conditions.value.filter((c) => !c.acknowledged_by);
  const worst = open[0] ?? conditions.value[0];
  if (!worst && !station.value?.known) return <div class="banner unknown" role="status" id="banner"><Mark tone="unknown">{t('looking')}</Mark></div>;
  if (!worst) return <div class="banner good" role="status" id="banner"><Mark tone="good">{t('all_well')}</Mark></div>;
  return (
    <div class={`banner ${worst.severity}`} role={worst.severity === 'alarm' ? 'alert' : 'status'} id="banner">
      <div class="worst">
        <Mark tone={worst.severity === 'alarm' ? 'bad' : 'warn'}><strong>{said(worst.text, worst.text_zh)}</strong></Mark>{' '}
        <span class="dim">{since(worst.since_ms)}</span>
      </div>
      <div class="advice">{said(worst.advice, worst.advice_zh)}</div>
      {conditions.value.length > 1 && <a href={address('conditions')}><Counts /></a>}
    </div>
  );
}

export function Counts() {
  const alarms = conditions.value.filter((c) => c.severity === 'alarm').length;
  const warnings = conditions.value.length - alarms;
  return (
    <span class="counts">
      {alarms > 0 && <Mark tone="bad">{alarms === 1 ? t('one_alarm') : t('alarms', {n: alarms})}</Mark>}{' '}
      {warnings > 0 && <Mark tone="warn">{warnings === 1 ? t('one_warning') : t('warnings', {n: warnings})}</Mark>}
    </span>
  );
}

async function acknowledge(c: Condition) {
  try {
    await post(`v1/conditions/${encodeURIComponent(c.id)}/ack`, {});
  } catch (e) {
    tell(false, t('failed', {why: (e as Error).message}));
  }
}

export function ConditionCard({c}: {c: Condition}) {
  return (
    <article class={`condition ${c.severity}`} id={`condition-${c.id}`}>
      <h3><Mark tone={c.severity === 'alarm' ? 'bad' : 'warn'}>{t(c.severity === 'alarm' ? 'severity_alarm' : 'severity_warning')}</Mark> {said(c.text, c.text_zh)}</h3>
      <p>{said(c.advice, c.advice_zh)} {c.docs && <span class="dim">{t('instructions')}: {c.docs}</span>}</p>
      <p class="dim">
        <code>{c.id}</code> · <time>{instant(c.since_ms)}</time> ({since(c.since_ms)}){c.node && ` · ${t('seen_by', {node: c.node})}`}{c.count > 1 && ` · ${t('count', {n: c.count})}`}
        {c.acknowledged_by && ` · ${t('acknowledged_by', {name: c.acknowledged_by})}`}
      </p>
      {!c.acknowledged_by && may('operator') && <button type="button" disabled={!known.value} onClick={() => acknowledge(c)}>{t('acknowledge')}</button>}
    </article>
  );
}
