// The search over all operations: by words and their synonyms.
import { h, remembered } from '/console/dom.js';

// synonyms maps common words to the API's words, the best first. A word also matches itself.
const ended = ['set status', 'delete'];
const money = ['quote', 'pricing', 'product', 'linked'];
const synonyms = {
  cancel: ended, withdraw: ended, revoke: ended, stop: ended, expire: ['set status'], decline: ['set status'], reject: ['set status'],
  signature: ['signing', 'sign', 'recipient'], signer: ['signer', 'recipient', 'signing'], sign: ['signing', 'recipient'], signed: ['sealed', 'set status'],
  invoice: money, bill: money, price: money, cost: money,
  remove: ['delete'], erase: ['delete'], edit: ['update', 'change', 'patch'], change: ['update', 'patch'],
  add: ['create', 'append'], new: ['create'], make: ['create'], copy: ['create'], duplicate: ['copy'], get: ['details', 'list'], show: ['details', 'list'],
  email: ['send', 'reminder'], mail: ['send', 'reminder'], notify: ['reminder', 'webhook'], remind: ['reminder'], resend: ['reminder', 'send'], upload: ['file'], attach: ['attachment'],
  pdf: ['download'], save: ['download'], customer: ['contact'], person: ['contact', 'member', 'user'], team: ['member', 'workspace'], invite: ['user', 'member', 'recipient'],
  contract: ['document'], offer: ['document', 'quote'], approve: ['send', 'set status'], archive: ['folder', 'delete'],
  callback: ['webhook'], event: ['webhook'], history: ['audit', 'log'], image: ['library'], block: ['section', 'library'], dispatch: ['send'],
};

const fillers = new Set(['a', 'an', 'the', 'of', 'to', 'for', 'my', 'how', 'do', 'i', 'in', 'with']);

// begins reports whether a word of text begins with part: "log" is in "API call log", not in "catalogue".
const begins = (text, part) => new RegExp(`(^|[^a-z0-9])${part.replace(/[^a-z0-9]/g, '\\$&')}`).test(text) || (/^[^a-z0-9]/.test(part) && text.includes(part));

const byMeaning = 10; // ranks from here on are synonyms
const byParameter = 100;

// rank tells how well a word fits an operation: 0 is its title, Infinity not at all.
function rank({ op, query }, word) {
  const texts = [op.title, `${op.method} ${op.path} ${op.number}`, `${op.group} ${op.note ?? ''}`].map((t) => t.toLowerCase());
  const own = texts.findIndex((t) => begins(t, word));
  if (own >= 0) return own;
  const others = [word, word.replace(/s$/, '')].flatMap((w) => (Object.hasOwn(synonyms, w) ? synonyms[w] : []));
  const meant = others.flatMap((s, i) => texts.map((t, j) => (begins(t, s) ? byMeaning + 3 * i + j : Infinity)));
  return Math.min(...meant, begins(query, word) ? byParameter : Infinity);
}

const operationLink = (op) => h('a', { href: `#/try/${op.number}` },
  h('span', { class: `method method-${op.method}` }, op.method), h('span.title', op.title, op.deprecated && h('small', ' deprecated')), h('span.unseen', ` ${op.path}`));

// searchField is a field over all operations and what it finds, grouped. chosen is called before Enter opens one.
export function searchField(operations, chosen) {
  const found = h('div.found', { id: 'found' });
  const count = h('p.count', { role: 'status' });
  const none = h('p.empty', { hidden: true }, 'No operation matches. Try what you want to do, like ', h('em', 'send'), ' or ', h('em', 'cancel'), ', a part of the path, or a method like ', h('em', 'DELETE'), '.');
  const input = h('input', { type: 'search', id: 'search', placeholder: 'send, template, DELETE …', autocomplete: 'off', spellcheck: 'false', 'aria-controls': 'found', value: remembered.read('search', '') });
  const groups = new Map();
  for (const op of operations) groups.set(op.group, [...(groups.get(op.group) ?? []), { op, link: operationLink(op), query: (op.query ?? []).map((q) => q.name).join(' ').toLowerCase() }]);
  const sections = [...groups].map(([name, entries]) => {
    const list = h('ul', entries.map((e) => h('li', e.link)));
    return { element: h('section', h('h2', name), list), list, entries };
  });
  found.append(none, ...sections.map((s) => s.element));
  const update = () => {
    const words = input.value.toLowerCase().replaceAll('e-mail', 'email').split(/\s+/).filter((w) => w && !fillers.has(w));
    for (const e of sections.flatMap((s) => s.entries)) {
      const ranks = words.map((w) => rank(e, w));
      e.worst = Math.max(0, ...ranks);
      e.sum = ranks.reduce((sum, r) => sum + r, 0);
    }
    // Operations with that name are shown. If there are none, those with a synonym; then those with a parameter
    // of that name. The best come first, because Enter opens the first.
    const limits = [byMeaning, byParameter, Infinity];
    const limit = limits.find((l) => sections.some((s) => s.entries.some((e) => e.worst < l)));
    let shown = 0;
    for (const s of sections) {
      for (const e of s.entries) {
        e.hit = e.worst < limit;
        e.link.parentElement.hidden = !e.hit;
        shown += e.hit;
      }
      s.best = Math.min(...s.entries.map((e) => (e.hit ? e.sum : Infinity)));
      s.element.hidden = s.best === Infinity;
      s.list.append(...s.entries.toSorted((a, b) => a.sum - b.sum || 0).map((e) => e.link.parentElement));
    }
    found.append(...sections.toSorted((a, b) => a.best - b.best || 0).map((s) => s.element));
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
