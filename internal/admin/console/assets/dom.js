// Small helpers to make elements. Text is always text here: nothing is ever parsed as HTML.

const svgNames = new Set(['svg', 'path', 'rect', 'line', 'title']);

// h makes an element: h('a.button', {href: '#/try'}, 'Try it'). Attributes that are null or false are
// left out; names that begin with "on" are listeners.
export function h(name, attributes, ...children) {
  const [tag, ...classes] = name.split('.');
  const element = svgNames.has(tag) ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  if (classes.length) element.setAttribute('class', classes.join(' '));
  if (attributes === null || typeof attributes !== 'object' || attributes instanceof Node || Array.isArray(attributes)) {
    children.unshift(attributes);
    attributes = {};
  }
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key === 'value' && tag !== 'option') element.value = value;
    else element.setAttribute(key, value === true ? '' : value);
  }
  put(element, ...children);
  return element;
}

// put adds children. It flattens lists and skips empty values.
function put(element, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

// fill replaces what is in an element.
export function fill(element, ...children) {
  element.replaceChildren();
  return put(element, ...children);
}

// keyed shows a list of items in an element. An item that did not change keeps its element, so that nobody
// loses focus, selection or scroll position. key names an item, and print is the content of its element.
export function keyed(parent, items, key, print, make) {
  const before = new Map([...parent.children].map((e) => [e.dataset.key, e]));
  const elements = items.map((item) => {
    const [name, shown] = [key(item), JSON.stringify(print(item))];
    const old = before.get(name);
    if (old?.shown === shown) return old;
    const element = make(item);
    element.dataset.key = name;
    element.shown = shown;
    return element;
  });
  const kept = new Set(elements);
  const focus = document.activeElement;
  const lost = parent.contains(focus) && ![...kept].some((e) => e.contains(focus)) ? focus : null;
  const [home, label] = [lost?.closest('[data-key]')?.dataset.key, lost?.dataset.action];
  for (const e of [...parent.children]) if (!kept.has(e)) e.remove();
  elements.forEach((e, i) => { if (parent.children[i] !== e) parent.insertBefore(e, parent.children[i] ?? null); });
  if (lost && label) elements.find((e) => e.dataset.key === home)?.querySelector(`[data-action="${label}"]`)?.focus({ preventScroll: true });
}

// remembered keeps small settings of this tab when the page changes or is reloaded.
export const remembered = {
  read(name, otherwise) {
    try {
      return JSON.parse(sessionStorage.getItem(`pandadoc-auth-proxy.${name}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  write(name, value) {
    try {
      sessionStorage.setItem(`pandadoc-auth-proxy.${name}`, JSON.stringify(value));
      return true;
    } catch {
      return false; // there is no room, or storage is not allowed
    }
  },
};

// say announces a text to screen readers.
export function say(text) {
  document.getElementById('said').textContent = text;
}

// copyButton copies what text() returns. name is for those who do not see what it stands beside.
export function copyButton(text, name = 'Copy') {
  const label = 'Copy';
  const button = h('button.small', { type: 'button', 'aria-label': name }, label);
  button.addEventListener('click', async () => {
    const done = await copyText(text());
    button.textContent = done ? 'Copied' : 'Press Ctrl+C';
    say(done ? 'Copied' : 'The text is selected: press Ctrl+C');
    setTimeout(() => { button.textContent = label; }, 1500);
  });
  return button;
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

// copyBySelection is for browsers and addresses where scripts cannot use the clipboard.
function copyBySelection(text) {
  const area = h('textarea.unseen', { readonly: true, value: text });
  document.body.append(area);
  area.select();
  if (!document.execCommand('copy')) {
    area.addEventListener('blur', () => area.remove()); // until then the user can copy it
    return false;
  }
  area.remove();
  return true;
}

const dates = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const day = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' });

// when shows a moment as a date, with the time from or until now, which tick keeps up to date.
export function when(text) {
  if (!text) return null;
  const at = new Date(text);
  return h('time', { datetime: text, title: at.toString() }, dates.format(at), ' ',
    h('span.distance', { 'data-at': at.getTime() }, distance(at)));
}

// until shows only the time until a moment, with its date for those who point at it.
export function until(text) {
  if (!text) return null;
  const at = new Date(text);
  return h('time', { datetime: text, title: at.toString(), 'data-at': at.getTime() }, distance(at));
}

// timeOfDay shows a moment in a short form, with its day if that is not today.
export function timeOfDay(text) {
  const at = new Date(text);
  const today = at.toDateString() === new Date().toDateString();
  return h('time', { datetime: text, title: at.toString() }, today ? '' : `${day.format(at)}, `, clock.format(at));
}

// distance returns the time from or until now: "in 364 days", "5 minutes ago".
function distance(at, now = Date.now()) {
  const seconds = Math.round((at - now) / 1000);
  const units = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= 2 * size) ?? units[3];
  return new Intl.RelativeTimeFormat('en', { numeric: 'always' }).format(Math.trunc(seconds / size), unit);
}

// tick updates all these times on the page.
export function tick() {
  for (const e of document.querySelectorAll('[data-at]')) {
    const text = distance(Number(e.dataset.at));
    if (e.textContent !== text) e.textContent = text;
  }
}

export function milliseconds(ms) {
  if (ms >= 10000) return `${Math.round(ms / 1000)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return ms >= 10 || Number.isInteger(ms) ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}

export function bytes(n) {
  if (n < 1000) return `${n} B`;
  if (n < 1e6) return `${(n / 1000).toFixed(1)} kB`;
  return `${(n / 1e6).toFixed(1)} MB`;
}
