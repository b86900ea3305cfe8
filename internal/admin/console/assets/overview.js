// Overview: how the accounts stand, problems first, and what the traffic does.
import * as api from '/console/api.js';
import { bars, lines } from '/console/chart.js';
import { bytes, fill, h, milliseconds, say, timeOfDay, when } from '/console/dom.js';
import { causeText, effectText, stateName } from '/console/words.js';

const urgency = ['login-required', 'unavailable', 'degraded', 'unknown', 'ready'];

// overview shows the page in root and returns how it is kept up to date.
export function overview(root) {
  const parts = {
    problems: h('section.problems', { 'aria-label': 'Problems' }),
    accounts: h('div.accounts'),
    charts: h('div.charts'),
    requests: h('div'),
  };
  const open = new Set(); // ids of requests whose explanation is shown
  root.append(
    h('h1', 'Overview'), parts.problems,
    h('section', { 'aria-labelledby': 'accounts-title' }, h('h2', { id: 'accounts-title' }, 'Accounts'), parts.accounts),
    h('section', { 'aria-labelledby': 'traffic-title' }, h('h2', { id: 'traffic-title' }, 'Traffic, last hour'), parts.charts),
    h('section', { 'aria-labelledby': 'requests-title' }, h('h2', { id: 'requests-title' }, 'Recent requests'), parts.requests));
  let shown = {};
  // renew replaces a part only if it changed, so that nobody loses the focus or a selection.
  const renew = (name, key, make) => {
    const now = JSON.stringify(key);
    if (shown[name] === now) return;
    shown[name] = now;
    fill(parts[name], make());
  };
  return {
    async update(status) {
      const accounts = [...status.accounts].sort((a, b) => urgency.indexOf(a.state) - urgency.indexOf(b.state));
      const troubled = accounts.filter((a) => !['ready', 'unknown'].includes(a.state));
      renew('problems', troubled, () => troubled.map(problem));
      renew('accounts', accounts, () => accounts.map(card));
      const traffic = await api.requests();
      renew('charts', [traffic.minutes, traffic.in_flight], () => charts(traffic));
      renew('requests', [traffic.requests, [...open]], () => table(traffic.requests, open, () => { shown.requests = ''; }));
    },
  };
}

function problem(a) {
  return h('article', { class: `problem problem-${a.state}` },
    h('div', h('h2', `${stateName(a.state)}: ${a.account}`),
      h('p', causeText(a.cause), ' ', effectText(a.state), a.detail && a.detail !== a.cause && h('span.detail', ` ${a.detail}`)),
      a.hint && h('p.hint', hintText(a.hint))),
    h('div.actions', actions(a, true)));
}

// hintText sets the command in a hint apart.
function hintText(hint) {
  const command = /^run: (.+)$/.exec(hint);
  return command ? ['On the command line: ', h('code', command[1])] : hint;
}

function actions(a, primary) {
  const connect = h('a.button', { href: `/connect/${a.account}`, class: primary ? 'button primary' : 'button' }, a.state === 'login-required' ? 'Connect' : 'Connect again');
  if (a.scheme === 'API-Key') return [];
  if (a.state === 'login-required') return [connect];
  const renew = h('button', { type: 'button', class: primary ? 'primary' : null }, 'Refresh now');
  const outcome = h('span.outcome', { role: 'status' });
  renew.addEventListener('click', async () => {
    renew.disabled = true;
    outcome.textContent = 'Refreshing…';
    try {
      const now = await api.refresh(a.account);
      say(`${a.account} has new tokens, generation ${now.generation}`);
    } catch (error) {
      outcome.textContent = error.message;
      renew.disabled = false;
      return;
    }
    document.dispatchEvent(new Event('console:update'));
  });
  return [renew, a.state !== 'ready' && a.state !== 'unknown' && connect, outcome];
}

function card(a) {
  return h('article.card',
    h('header', h('h3', a.account), h('span', { class: `state state-${a.state}` }, stateName(a.state))),
    h('dl', [
      ['Token expires', when(a.expires_at) ?? (a.generation ? 'not known: until PandaDoc refuses it' : null)],
      ['Newest token', a.generation ? when(a.obtained_at) : null],
      ['Generation', a.generation || null],
      ['Refresh last worked', a.scheme === 'Bearer' && a.state !== 'login-required' ? when(a.refresh_proven_at) ?? 'never tried' : null],
      ['Signed in with', a.scheme === 'API-Key' ? 'an API key' : null],
      ['Cause', a.cause ? causeText(a.cause) : null],
      ['In this state since', a.state === 'ready' ? null : when(a.since)],
    ].map(([name, value]) => value && h('div', h('dt', name), h('dd', value)))),
    h('div.actions', actions(a, false)));
}

function charts({ minutes, in_flight: inFlight }) {
  const requests = minutes.map((m) => m.requests);
  const errors = minutes.map((m) => m.errors);
  const now = minutes.at(-1);
  const busy = minutes.findLast((m) => m.requests > 0);
  const total = (list) => list.reduce((sum, n) => sum + n, 0);
  return [
    figure('Requests per minute', now.requests, `${total(requests)} in the hour, ${inFlight} under way`,
      bars(requests, `Requests per minute over the last hour: ${total(requests)} in all, at most ${Math.max(...requests)} in a minute`)),
    figure('Errors per minute', now.errors, `${total(errors)} in the hour`,
      bars(errors, `Errors per minute over the last hour: ${total(errors)} in all`, 'bad')),
    figure('Time to answer', busy ? `≤ ${milliseconds(busy.median_ms)}` : '–', busy ? `median; 95 % within ${milliseconds(busy.p95_ms)}` : 'no requests',
      lines([{ kind: 'soft', values: minutes.map((m) => m.p95_ms) }, { kind: '', values: minutes.map((m) => m.median_ms) }],
        busy ? `Time to answer: median at most ${milliseconds(busy.median_ms)}, 95 percent within ${milliseconds(busy.p95_ms)}` : 'Time to answer: no requests in the last hour')),
  ];
}

const figure = (title, value, note, chart) => h('figure.card', h('figcaption', title), h('p.value', value, h('small', note)), chart,
  h('p.axis', { 'aria-hidden': 'true' }, h('span', 'an hour ago'), h('span', 'now')));

function table(requests, open, changed) {
  if (requests.length === 0) {
    return h('p.empty', 'No request has come since the proxy started. ', h('a', { href: '#/try/2' }, 'Send the first one'), '.');
  }
  return h('table.requests',
    h('thead', h('tr', ['Time', 'Request', 'Status', 'Duration', 'What happened'].map((text) => h('th', { scope: 'col' }, text)))),
    h('tbody', requests.map((r) => rows(r, open, changed))));
}

const key = (r) => `${r.id}@${r.at}`;

function rows(r, open, changed) {
  const id = `why-${key(r)}`;
  const shown = open.has(key(r));
  const details = h('tr.why', { id, hidden: !shown }, h('td', { colspan: 5 }, explanation(r)));
  const button = h('button', { class: noteworthy(r) ? 'link' : 'link plain', type: 'button', 'aria-expanded': String(shown), 'aria-controls': id }, outcome(r));
  button.addEventListener('click', () => {
    const show = details.hidden;
    details.hidden = !show;
    button.setAttribute('aria-expanded', String(show));
    if (show) open.add(key(r));
    else open.delete(key(r));
    changed();
  });
  return [
    h('tr', h('td.at', timeOfDay(r.at)),
      h('td.what', h('span', { class: `method method-${r.method}` }, r.method), ' ', h('span.route', r.route || '–'),
        r.account && r.account !== 'default' && h('span.tag', r.account)),
      h('td.code', h('span', { class: `status status-${statusClass(r)}` }, r.status)),
      h('td.took', milliseconds(r.duration_ms)),
      h('td.how', button)),
    details,
  ];
}

// noteworthy requests are not like all others.
const noteworthy = (r) => r.code || r.replayed || r.reason || r.status === 499;

function statusClass(r) {
  if (r.code || r.status >= 500) return 'bad';
  if (r.status >= 400) return 'warn';
  return 'good';
}

// outcome says in a few words what happened; the explanation has the sentences.
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
      r.id && [h('code', `pandadoc-auth-proxy explain ${r.id}`), ' says the same.']),
  ];
}
