import {t} from '../i18n';
import {conditions, known} from '../live';
import {ConditionCard} from '../parts/conditions';
import {Empty} from '../parts/marks';

export function Conditions() {
  return (
    <section class="conditions" aria-label={t('conditions')}>
      {conditions.value.map((c) => <ConditionCard key={c.id} c={c} />)}
      {conditions.value.length === 0 && <Empty>{known.value ? t('all_well') : t('not_known')}</Empty>}
    </section>
  );
}
