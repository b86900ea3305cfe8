// Small charts of the last hour, with a scale, and the value of the minute under the pointer. Each chart also
// has a text for people who cannot see it.
import { h } from '/console/dom.js';

const width = 240;
const height = 56;
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

// bars draws one bar for each value.
export function bars(minutes, values, label, kind = '') {
  const most = Math.max(1, ...values);
  const step = width / values.length;
  return frame(label, String(most), columns(minutes, step, (i) => String(values[i])), values.map((v, i) => v > 0 && h('rect', {
    class: `bar ${kind}`, x: (i * step + 0.5).toFixed(2), width: (step - 1).toFixed(2),
    y: (height - Math.max(2, (v / most) * height)).toFixed(2), height: Math.max(2, (v / most) * height).toFixed(2),
  })));
}

// lines draws one line for each series, on a scale that is not linear. Zero means a minute without traffic,
// where the line has a gap.
export function lines(minutes, series, print, label) {
  const most = Math.max(1, ...series.flatMap((s) => s.values));
  const scale = (v) => height - 2 - (Math.log1p(v) / Math.log1p(most)) * (height - 6);
  const step = width / series[0].values.length;
  const top = Math.max(0, ...series.flatMap((s) => s.values));
  return frame(label, top ? print(top) : '', columns(minutes, step, (i) => series.map((s) => print(s.values[i])).reverse().join(', 95 %: ')), series.map((s) => pieces(s.values).map(({ from, values }) => h('path', {
    class: `line ${s.kind}`,
    d: values.map((v, i) => `${i ? 'L' : 'M'}${((from + i + (values.length === 1 ? 0.1 : 0.5)) * step).toFixed(2)},${scale(v).toFixed(2)}`).join('')
      + (values.length === 1 ? `h${(step * 0.8).toFixed(2)}` : ''),
  }))));
}

// pieces splits a series where it is zero.
function pieces(values) {
  const all = [];
  values.forEach((v, i) => {
    if (v === 0) return;
    const piece = all.at(-1);
    if (piece && piece.from + piece.values.length === i) piece.values.push(v);
    else all.push({ from: i, values: [v] });
  });
  return all;
}

// columns are as high as the chart and show a minute's value.
const columns = (minutes, step, text) => minutes.map((m, i) => h('rect.column', { x: (i * step).toFixed(2), y: 0, width: step.toFixed(2), height },
  h('title', `${clock.format(new Date(m.at))}: ${text(i)}`)));

function frame(label, top, over, shapes) {
  return h('div.chart-box', top && h('span.scale', { 'aria-hidden': 'true' }, top),
    h('svg', { viewBox: `0 0 ${width} ${height}`, class: 'chart', role: 'img', 'aria-label': label, preserveAspectRatio: 'none' },
      h('line', { class: 'base', x1: 0, x2: width, y1: 0.5, y2: 0.5 }), h('line', { class: 'base', x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5 }), shapes, over));
}
