// The frame around the views: where one is, what is wrong, with whose eyes one sees.

import {effect, signal} from '@preact/signals';
import {useEffect} from 'preact/hooks';
import type {FunctionComponent} from 'preact';

import {choose as speak, language, t} from './i18n';
import {conditions, known, state, station} from './live';
import {address, view, views, type View} from './route';
import {clock, now, offset} from './time';
import {may, who} from './who';
import {Ask} from './parts/ask';
import {Banner, Counts} from './parts/conditions';
import {Login} from './parts/login';
import {Access} from './views/access';
import {Commissioning} from './views/commissioning';
import {Conditions} from './views/conditions';
import {Configuration} from './views/configuration';
import {Events} from './views/events';
import {Exports} from './views/exports';
import {FNP} from './views/fnp';
import {Frames} from './views/frames';
import {Nodes} from './views/nodes';
import {Points} from './views/points';
import {StationView} from './views/station';
import {Takeovers} from './views/takeovers';

const pages: Record<View, FunctionComponent> = {
  station: StationView, conditions: Conditions, events: Events, points: Points, frames: Frames, commissioning: Commissioning, takeovers: Takeovers,
  nodes: Nodes, configuration: Configuration, exports: Exports, fnp: FNP, access: Access,
};

const theme = signal(localStorage.getItem('theme') ?? '');
effect(() => {
  if (theme.value) document.documentElement.dataset.theme = theme.value;
  else delete document.documentElement.dataset.theme;
  localStorage.setItem('theme', theme.value);
});

const sound = signal(localStorage.getItem('sound') === 'on');
effect(() => localStorage.setItem('sound', sound.value ? 'on' : 'off'));

// A new alarm is heard, if that is switched on: two short tones.
let heard = new Set<string>();
effect(() => {
  const alarms = new Set(conditions.value.filter((c) => c.severity === 'alarm' && !c.acknowledged_by).map((c) => c.id));
  const fresh = [...alarms].some((id) => !heard.has(id));
  if (state.value === 'live') heard = alarms;
  if (!fresh || !sound.peek()) return;
  const audio = new AudioContext();
  for (const [at, tone] of [[0, 880], [0.25, 660]]) {
    const o = audio.createOscillator();
    o.frequency.value = tone;
    o.connect(audio.destination);
    o.start(audio.currentTime + at);
    o.stop(audio.currentTime + at + 0.2);
  }
  setTimeout(() => audio.close(), 1000);
});

export function App() {
  const Page = pages[view.value];
  const s = station.value;
  useEffect(() => { document.title = `${s ? `${s.name} · ` : ''}${t(view.value)} · fepha`; }, [s?.name, view.value, language.value]);
  return (
    <>
      <a class="skip" href="#content" onClick={(e) => { e.preventDefault(); document.getElementById('content')?.focus(); }}>{t('skip')}</a>
      <header>
        <h1>{s ? `${s.name} (${s.station})` : 'fepha'}</h1>
        {s && <span class={`eyes ${known.value ? '' : 'stale'}`} id="eyes">{t('seen_through', {node: s.node})}</span>}
        <span class="counts-top"><Counts /></span>
        <time class="clock">{clock(now.value).slice(0, 8)} <span class="dim">{offset(now.value)}</span></time>
        {who.value && who.value.kind !== 'local' && <a href={address('access')} id="who">{who.value.name}</a>}
        <div class="switches">
          <button type="button" id="language" title={t('language')} lang={language.value === 'zh' ? 'en' : 'zh-CN'} onClick={() => speak(language.value === 'zh' ? 'en' : 'zh')}>{language.value === 'zh' ? 'EN' : '中文'}</button>
          <button type="button" aria-label={t('theme')} title={t('theme')} onClick={() => { theme.value = isDark() ? 'light' : 'dark'; }}>◐</button>
          <button type="button" aria-label={t('sound')} aria-pressed={sound.value} title={t(sound.value ? 'sound_on' : 'sound_off')} onClick={() => { sound.value = !sound.value; }}>{sound.value ? '♪' : '♩'}</button>
        </div>
      </header>
      <nav aria-label={t('more')}>
        {views.filter((v) => v !== 'frames' || may('engineer')).map((v) => <a key={v} href={address(v)} aria-current={v === view.value ? 'page' : undefined}>{t(v)}</a>)}
      </nav>
      <Banner />
      <main id="content" tabIndex={0} class={known.value ? '' : 'stale'}><Page /></main>
      <Ask />
      <Login />
    </>
  );
}

const isDark = () => (theme.value ? theme.value === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches);
