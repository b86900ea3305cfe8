// The recent requests. The list pauses while somebody reads or filters it.
import { argument } from '/console/copy.js';
import { bytes, fill, h, keyed, milliseconds, remembered, timeOfDay } from '/console/dom.js';

const shownRows = 50;

// feed returns the list, with its filters.
export function feed() {
  const filter = remembered.read('feed', { account: '', status: '', path: '' });
  const open = new Set(); // keys of requests whose explanation is shown
  let paused = remembered.read('feed-paused', false);
  let all = []; // the newest that are known
  let shown = []; // those that the page shows
  const account = h('select', { id: 'feed-account' });
  const status = h('select', { id: 'feed-status' }, [['', 'all'], ['problem', 'problems'], ['2', '2xx'], ['4', '4xx'], ['5', '5xx'], ['replayed', 'repeated']].map(([value, text]) => h('option', { value, selected: value === filter.status }, text)));
  const path = h('input', { type: 'search', id: 'feed-path', value: filter.path, placeholder: 'documents, or a request id', autocomplete: 'off', spellcheck: 'false' });
  const pause = h('button', { type: 'button', 'aria-pressed': 'false' }, 'Pause');
  const more = h('button.small', { type: 'button', hidden: true }, 'New requests');
  const table = h('table.requests', h('thead', h('tr', ['Time', 'Request', 'Status', 'Duration', 'What happened'].map((text) => h('th', { scope: 'col' }, text)))));
  const rows = h('div', { role: 'none' });
  const empty = h('p.empty');
  const still = () => paused || open.size > 0 || table.contains(document.activeElement);
  const render = () => {
    const fits = all.filter(matches);
    if (!still() || shown.length === 0) shown = fits.slice(0, shownRows);
    else shown = shown.filter(matches);
    const known = new Set(shown.map(key));
    for (const k of open) if (!known.has(k)) open.delete(k);
    const fresh = fits.slice(0, shownRows).filter((r) => !known.has(key(r))).length;
    more.hidden = fresh === 0;
    more.textContent = fresh === 1 ? '1 new request: show it' : `${fresh} new requests: show them`;
    pause.setAttribute('aria-pressed', String(paused));
    pause.textContent = paused ? 'Resume' : 'Pause';
    keyed(bodies, shown, key, (r) => [r, open.has(key(r))], (r) => row(r, open, render));
    table.hidden = shown.length === 0;
    empty.hidden = shown.length > 0;
    if (all.length === 0) fill(empty, 'No requests since the proxy started. ', h('a', { href: '#/try/2' }, 'Send the first one'), '.');
    else fill(empty, 'No request matches. ', h('button.link', { type: 'button', onclick: reset }, 'Show all'));
  };
  // keyed works on the children of one element: the table's bodies, one for each request.
  const bodies = {
    get children() { return table.tBodies; },
    contains: (e) => table.contains(e),
    insertBefore: (e, next) => table.insertBefore(e, next),
  };
  function matches(r) {
    const kinds = { problem: () => r.code || r.status >= 400 || r.cut, replayed: () => r.replayed };
    return (!filter.account || r.account === filter.account)
      && (!filter.status || (kinds[filter.status]?.() ?? String(r.status).startsWith(filter.status)))
      && (!filter.path || `${r.method} ${r.route} ${r.id}`.toLowerCase().includes(filter.path.toLowerCase()));
  }
  function filterBy(changes) {
    Object.assign(filter, changes);
    remembered.write('feed', filter);
    shown = [];
    render();
  }
  function reset() {
    [account.value, status.value, path.value] = ['', '', ''];
    filterBy({ account: '', status: '', path: '' });
  }
  account.addEventListener('change', () => filterBy({ account: account.value }));
  status.addEventListener('change', () => filterBy({ status: status.value }));
  path.addEventListener('input', () => filterBy({ path: path.value.trim() }));
  more.addEventListener('click', () => {
    shown = [];
    render();
  });
  pause.addEventListener('click', () => {
    paused = !paused;
    remembered.write('feed-paused', paused);
    if (!paused) shown = [];
    render();
  });
  const field = (label, input) => h('div.field', h('label', { for: input.id }, label), input);
  rows.append(table);
  return {
    element: h('div.feed', h('div.feed-bar', field('Account', account), field('Status', status), field('Path or id', path), pause, more), rows, empty),
    limit: () => (filter.account || filter.status || filter.path ? 500 : shownRows),
    show(requests, { accounts }) {
      all = requests;
      const names = [...new Set([...accounts.map((a) => a.account), filter.account])].filter(Boolean).sort();
      keyed(account, ['', ...names], (n) => n, (n) => n, (n) => h('option', { value: n, selected: n === filter.account }, n || 'all'));
      render();
    },
  };
}

const key = (r) => `${r.id}@${r.at}`;

function row(r, open, changed) {
  const id = `why-${key(r)}`;
  const shown = open.has(key(r));
  const button = h('button', { class: noteworthy(r) ? 'link' : 'link plain', type: 'button', 'data-action': 'explain', 'aria-expanded': String(shown), 'aria-controls': id }, outcome(r));
  button.addEventListener('click', () => {
    if (open.has(key(r))) open.delete(key(r));
    else open.add(key(r));
    changed();
  });
  return h('tbody',
    h('tr', h('td.at', timeOfDay(r.at)),
      h('td.what', h('span', { class: `method method-${r.method}` }, r.method), ' ', h('span.route', r.route || '–'),
        r.account && r.account !== 'default' && h('span.tag', r.account)),
      h('td.code', h('span', { class: `status status-${statusClass(r)}` }, r.status)),
      h('td.took', milliseconds(r.duration_ms)),
      h('td.how', button)),
    h('tr.why', { id, hidden: !shown }, h('td', { colspan: 5 }, explanation(r))));
}

// noteworthy reports whether a request is unusual.
const noteworthy = (r) => r.code || r.replayed || r.reason || r.status === 499;

function statusClass(r) {
  if (r.code || r.status >= 500) return 'bad';
  if (r.status >= 400) return 'warn';
  return 'good';
}

// outcome says in a few words what happened; the explanation has full sentences.
function outcome(r) {
  if (r.status === 499) return 'client went away';
  if (r.code) return r.code;
  if (r.replayed) return r.refreshed ? 'refreshed and repeated' : 'repeated';
  if (r.reason) return `not repeated: ${r.reason}`;
  return 'passed through';
}

function explanation(r) {
  return [
    r.explanation.map((sentence) => h('p', sentence)),
    h('p.fine', `Request id ${r.id || 'none'}. Received ${bytes(r.bytes_in)}, sent ${bytes(r.bytes_out)}. `,
      r.id && [h('code', `pandadoc-auth-proxy explain ${r.id.startsWith('-') ? '-- ' : ''}${argument(r.id)}`), ' shows the same.']),
  ];
}
