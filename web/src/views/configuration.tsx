// What is in force, readable and as files; putting another one in force; what was in force before.

import {t} from '../i18n';
import {Field, Mark} from '../parts/marks';
import {useRead} from '../parts/use';
import {address, chosen} from '../route';
import {may} from '../who';
import {Change} from './change';
import {FilesInForce} from './files';
import {Settings} from './settings';
import {Versions} from './versions';

interface Running { node: string; digest: string; in_force: string; version: number }

const shows = ['settings', 'files', 'change', 'history'] as const;

export function Configuration() {
  const {data, error} = useRead<Running>('v1/config', 2000);
  const open = may('engineer') ? shows : shows.slice(-1);
  const show = open.find((s) => s === chosen.value.get('show')) ?? open[0];
  return (
    <section class="configuration">
      {error && <p class="bad-text">{t('cannot_read', {why: error})}</p>}
      {data && (
        <dl class="fields">
          <Field label={t('in_force')}>{data.version > 0 && t('config_version', {n: data.version})} <code>{data.in_force.slice(0, 12)}</code></Field>
          <Field label={t('this_node')}>{data.digest === data.in_force ? <Mark tone="good">{t('config_same')}</Mark> : <Mark tone="warn">{t('config_other')} <code>{data.digest.slice(0, 12)}</code></Mark>}</Field>
        </dl>
      )}
      <nav class="tabs" aria-label={t('configuration')}>
        {open.map((s) => <a key={s} href={address('configuration', {show: s})} aria-current={s === show ? 'true' : undefined}>{t(`config_${s}`)}</a>)}
      </nav>
      {show === 'settings' && <Settings again={data?.digest ?? ''} />}
      {show === 'files' && <FilesInForce again={data?.in_force ?? ''} />}
      {show === 'change' && <Change />}
      {show === 'history' && <Versions again={data?.in_force ?? ''} />}
    </section>
  );
}
