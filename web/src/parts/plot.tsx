// A plot over time, in the station's zone.

import {useEffect, useRef} from 'preact/hooks';
import uPlot from 'uplot';

import {station} from '../live';
import {clock, instant} from '../time';

const colours = ['--line-1', '--line-2', '--line-3'];

// How a time stands on the axis: within a day, and beyond.
const second = (s: number) => clock(s * 1000).slice(0, 8);
const day = (s: number) => instant(s * 1000).slice(5, 16);

interface Props { data: uPlot.AlignedData; names: string[]; height: number; steps?: boolean }

export function Plot({data, names, height, steps}: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const zone = station.value?.time_zone || 'UTC';
  useEffect(() => {
    const style = getComputedStyle(box.current!);
    const axis = {stroke: style.getPropertyValue('--dim'), grid: {stroke: style.getPropertyValue('--rule'), width: 1}};
    plot.current = new uPlot({
      width: box.current!.clientWidth, height,
      tzDate: (s) => uPlot.tzDate(new Date(s * 1000), zone),
      axes: [{...axis, space: 80, values: (u, splits) => splits.map(u.scales.x.max! - u.scales.x.min! > 86_400 ? day : second)}, axis],
      series: [{}, ...names.map((label, i) => ({
        label, stroke: style.getPropertyValue(colours[i]), width: 1.5, spanGaps: false,
        ...(steps && {paths: uPlot.paths.stepped!({align: 1})}),
      }))],
    }, data, box.current!);
    const watch = new ResizeObserver(() => { if (box.current) plot.current?.setSize({width: box.current.clientWidth, height}); });
    watch.observe(box.current!);
    return () => {
      watch.disconnect(); // it may still call once, when the box is gone
      plot.current?.destroy();
    };
  }, [zone, names.join(), height, steps]);
  useEffect(() => plot.current?.setData(data), [data]);
  return <div class="plot" ref={box} />;
}
