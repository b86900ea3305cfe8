// The search over all operations: by words and their synonyms.
import { h, remembered } from '/console/dom.js';

// synonyms maps common words to the API's words. A word also matches itself.
const synonyms = {
  cancel: ['void', 'set status', 'delete'], void: ['set status'], expire: ['set status'], decline: ['set status'],
  signature: ['sign', 'recipient'], signer: ['recipient', 'sign'], sign: ['session', 'recipient'], invoice: ['quote', 'pricing', 'linked'],
  price: ['quote', 'product', 'pricing'], remove: ['delete'], erase: ['delete'], edit: ['update', 'change', 'patch'], change: ['update', 'patch'],
  add: ['create', 'append'], new: ['create'], make: ['create'], copy: ['create'], get: ['details', 'list'], show: ['details', 'list'],
  email: ['send', 'reminder'], mail: ['send', 'reminder'], notify: ['reminder', 'webhook'], remind: ['reminder'], upload: ['file'], attach: ['attachment'],
  pdf: ['download'], save: ['download'], customer: ['contact'], person: ['contact', 'member', 'user'], team: ['member', 'workspace'],
  callback: ['webhook'], event: ['webhook'], history: ['audit', 'log'], image: ['library'], block: ['section', 'library'], dispatch: ['send'],
};

const fillers = new Set(['a', 'an', 'the', 'of', 'to', 'for', 'my', 'how', 'do', 'i', 'in', 'with']);

const searchText = (op) => [op.method, op.path, op.title, op.note, op.group, op.number].join(' ').toLowerCase();

const operationLink = (op) => h('a', { href: `#/try/${op.number}` },
  h('span', { class: `method method-${op.method}` }, op.method), h('span.title', op.title, op.deprecated && h('small', ' deprecated')), h('span.unseen', ` ${op.path}`));

// searchField is a field over all operations and what it finds, grouped. chosen is called before Enter opens one.
export function searchField(operations, chosen) {
  const found = h('div.found', { id: 'found' });
  const count = h('p.count', { role: 'status' });
  const none = h('p.empty', { hidden: true }, 'No operation matches. Try what you want to do, like ', h('em', 'send'), ' or ', h('em', 'cancel'), ', a part of the path, or a method like ', h('em', 'DELETE'), '.');
  const input = h('input', { type: 'search', id: 'search', placeholder: 'send, template, DELETE …', autocomplete: 'off', spellcheck: 'false', 'aria-controls': 'found', value: remembered.read('search', '') });
  const groups = new Map();
  for (const op of operations) groups.set(op.group, [...(groups.get(op.group) ?? []), { op, link: operationLink(op), text: searchText(op), query: (op.query ?? []).map((q) => q.name).join(' ') }]);
  const sections = [...groups].map(([name, entries]) => ({ element: h('section', h('h2', name), h('ul', entries.map((e) => h('li', e.link)))), entries }));
  const all = sections.flatMap((s) => s.entries);
  found.append(none, ...sections.map((s) => s.element));
  const update = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter((w) => w && !fillers.has(w));
    const named = (e) => words.every((w) => e.text.includes(w));
    const meant = (e) => words.every((w) => [w, ...(synonyms[w] ?? synonyms[w.replace(/s$/, '')] ?? [])].some((s) => e.text.includes(s)));
    const parameter = (e) => words.every((w) => `${e.text} ${e.query}`.includes(w));
    // Operations with that name come first. If there are none, those with a synonym; then those with a
    // parameter of that name.
    const hit = [named, meant, parameter].find((rule) => all.some(rule)) ?? (() => false);
    let shown = 0;
    for (const s of sections) {
      for (const e of s.entries) {
        e.link.parentElement.hidden = !hit(e);
        shown += hit(e);
      }
      s.element.hidden = s.entries.every((e) => e.link.parentElement.hidden);
    }
    none.hidden = shown > 0;
    count.textContent = words.length ? `${shown} of ${operations.length} operations` : `${operations.length} operations`;
  };
  input.addEventListener('input', () => {
    remembered.write('search', input.value);
    update();
  });
  const visible = () => [...found.querySelectorAll('a')].filter((a) => a.offsetParent !== null);
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowDown') return;
    visible()[0]?.focus();
    event.preventDefault();
  });
  // Enter submits. Acting when the key goes down would be too early: the form that opens would get the rest of it.
  const form = h('form.search', { role: 'search' }, h('label', { for: 'search' }, 'Find an operation'), input, count);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    chosen();
    visible()[0]?.click();
  });
  found.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const links = visible();
    (links[links.indexOf(document.activeElement) + step] ?? input).focus();
    event.preventDefault();
  });
  update();
  return [form, found];
}
