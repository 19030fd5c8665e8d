// A list of any length of which only the rows in sight are there.

import {Virtualizer, elementScroll, observeElementOffset, observeElementRect} from '@tanstack/virtual-core';
import type {ComponentChildren} from 'preact';
import {useEffect, useLayoutEffect, useReducer, useRef} from 'preact/hooks';

// The height of a row of events: on a narrow screen its text has a line of its own.
const narrow = matchMedia('(max-width: 760px)');
export const eventRow = () => (narrow.matches ? 46 : 28);
export const checkRow = () => (narrow.matches ? 84 : 48);

interface Props {
  count: number;
  rowHeight: number;
  row: (index: number) => ComponentChildren;
  head?: ComponentChildren;
  label: string;
  shift?: number;                                     // grows by n when n rows have come at the top
  onSight?: (first: number, last: number) => void;    // which rows are in sight
}

export function List({count, rowHeight, row, head, label, shift = 0, onSight}: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [, again] = useReducer((n: number) => n + 1, 0);
  const options = {
    count,
    estimateSize: () => rowHeight,
    overscan: 8,
    getScrollElement: () => box.current,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: () => again(0),
  };
  const virtual = useRef<Virtualizer<HTMLDivElement, Element>>(undefined);
  virtual.current ??= new Virtualizer(options);
  virtual.current.setOptions(options);
  useEffect(() => virtual.current!._didMount(), []);
  useLayoutEffect(() => virtual.current!._willUpdate());
  useEffect(() => { virtual.current!.measure(); }, [rowHeight]);

  // Who reads further down keeps his place when rows come at the top.
  const before = useRef(shift);
  useLayoutEffect(() => {
    const more = shift - before.current;
    before.current = shift;
    if (more > 0 && box.current && box.current.scrollTop > rowHeight) box.current.scrollTop += more * rowHeight;
  }, [shift]);

  const items = virtual.current.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => { onSight?.(first, last); }, [first, last, count]);

  return (
    <div class="list" role="table" aria-label={label} aria-rowcount={count}>
      {head}
      <div class="rows" ref={box} tabIndex={0} role="rowgroup" aria-label={label}>
        <div class="span" style={{height: `${virtual.current.getTotalSize()}px`}}>
          {items.map((i) => (
            <div key={i.key} class="row" role="row" aria-rowindex={i.index + 1} style={{transform: `translateY(${i.start}px)`, height: `${rowHeight}px`}}>
              {row(i.index)}
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}
