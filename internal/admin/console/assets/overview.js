// Overview: problems first, then the accounts and the traffic.
import * as api from '/console/api.js';
import { bars, lines } from '/console/chart.js';
import { baseOf } from '/console/copy.js';
import { copyButton, fill, h, keyed, milliseconds, remembered, say, until, when } from '/console/dom.js';
import { feed } from '/console/feed.js';
import { effectText, stateName, usable } from '/console/words.js';

const searchFrom = 6; // accounts
const shownAtOnce = 20; // accounts; more make the page long
const askedAtOnce = 60; // accounts whose user is looked up at once

const hasProblem = (a) => !['ready', 'unknown'].includes(a.state);

// overview shows the page in root and returns its update function.
export function overview(root) {
  const parts = {
    problems: h('section.problems', { 'aria-label': 'Problems' }),
    accounts: h('div'),
    charts: h('div.charts'),
  };
  const requests = feed();
  const list = accountTable();
  parts.accounts.append(list.element);
  root.append(
    h('h1', 'Overview'), parts.problems,
    h('section', { 'aria-labelledby': 'accounts-title' }, h('div.section-head', h('h2', { id: 'accounts-title' }, 'Accounts'), h('a', { href: '#/setup/connect' }, 'Connect another account')), parts.accounts),
    h('section', { 'aria-labelledby': 'traffic-title' }, h('h2', { id: 'traffic-title' }, 'Traffic, last hour'), parts.charts),
    h('section', { 'aria-labelledby': 'requests-title' }, h('h2', { id: 'requests-title' }, 'Recent requests'), requests.element));
  let charted = '';
  return {
    leave: list.leave,
    async update(status) {
      keyed(parts.problems, groups(status.accounts.filter(hasProblem)), (g) => g.key, (g) => g, problem);
      list.show(status);
      const traffic = await api.requests(requests.limit());
      const now = JSON.stringify([traffic.minutes, traffic.in_flight]);
      if (now !== charted) fill(parts.charts, charts(traffic));
      charted = now;
      requests.show(traffic.requests, status);
    },
  };
}

// groups puts accounts with the same problem together.
function groups(accounts) {
  const all = new Map();
  for (const a of accounts) {
    const key = `${a.state} ${a.cause ?? ''}`;
    all.set(key, { key, state: a.state, cause: a.cause, accounts: [...(all.get(key)?.accounts ?? []), a] });
  }
  const urgency = ['login-required', 'unavailable', 'degraded'];
  return [...all.values()].sort((a, b) => urgency.indexOf(a.state) - urgency.indexOf(b.state));
}

function problem(g) {
  const [only] = g.accounts.length === 1 ? g.accounts : [];
  const names = g.accounts.map((a) => a.account);
  return h('article', { class: `problem problem-${g.state}` },
    h('div', h('h2', `${stateName(g.state)}: ${names.slice(0, 4).join(', ')}${names.length > 4 ? ` and ${names.length - 4} more` : ''}`),
      h('p', only ? only.why : g.accounts[0].title && `${g.accounts[0].title}.`, ' ', effectText(g.state), only?.detail && only.detail !== only.cause && h('span.detail', ` ${only.detail}`)),
      only?.hint && h('p.hint', hintText(only.hint))),
    only ? h('div.actions', actions(only, true))
      : h('details.problem-list', h('summary', `${names.length} accounts`),
        h('ul', g.accounts.map((a) => h('li', h('span', a.account), h('span.actions', actions(a, false)))))));
}

// hintText shows the command in a hint as code.
function hintText(hint) {
  const command = /^run: (.+)$/.exec(hint);
  return command ? ['On the command line: ', h('code', command[1])] : hint;
}

function actions(a, primary) {
  if (a.scheme === 'API-Key') return [];
  const outcome = h('span.outcome', { role: 'status' });
  const connect = working(a, a.state === 'login-required' ? 'Connect' : 'Connect again', 'connect', primary, outcome, 'Opening PandaDoc…', () => api.connect(a.account));
  if (a.state === 'login-required') return [connect, outcome];
  const renew = working(a, 'Refresh now', 'refresh', primary, outcome, 'Refreshing…', async () => {
    const now = await api.refresh(a.account);
    say(`${a.account} has new tokens, generation ${now.generation}`);
    document.dispatchEvent(new Event('console:update'));
  });
  return [renew, hasProblem(a) && connect, outcome];
}

// working is a button that is disabled while its action runs, and can be pressed again afterwards.
function working(a, text, action, primary, outcome, meanwhile, run) {
  const button = h('button', { type: 'button', 'data-action': action, 'aria-label': `${text}: ${a.account}`, class: primary ? 'primary' : 'small' }, text);
  button.addEventListener('click', async () => {
    button.disabled = true;
    outcome.textContent = meanwhile;
    try {
      await run();
      outcome.textContent = '';
    } catch (error) {
      fill(outcome, error.message, ' ', error.code === 'login-impossible' ? h('a', { href: '#/setup' }, 'Set it up') : hintText(error.hint));
    }
    button.disabled = false;
    if (document.activeElement === document.body) button.focus({ preventScroll: true }); // which it lost
  });
  return button;
}

// accountTable lists all accounts, those with a problem first.
function accountTable() {
  const body = h('tbody');
  const search = h('input', { type: 'search', id: 'find-account', placeholder: 'Name, person or e-mail', autocomplete: 'off', spellcheck: 'false', value: remembered.read('find-account', '') });
  const bar = h('div.field.find-account', { hidden: true }, h('label', { for: 'find-account' }, 'Find an account'), search);
  const none = h('p.empty', { hidden: true }, 'No account matches.');
  let most = shownAtOnce;
  const rest = h('button', { type: 'button', hidden: true, onclick: () => { most = Infinity; render(); } });
  const table = h('table.accounts',
    h('thead', h('tr', ['Account', 'State', 'Token expires', 'Base URL', 'Actions'].map((text) => h('th', { scope: 'col' }, text)))), body);
  const people = new Map(); // account to the signed-in user, if that is known
  const asked = new Map(); // account to the token for which the API was asked
  const opened = new Set(remembered.read('open-accounts', []));
  let status = null;
  let left = false;
  const render = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const urgency = ['login-required', 'unavailable', 'degraded', 'unknown', 'ready'];
    const shown = status.accounts
      .filter((a) => words.every((w) => [a.account, ...Object.values(people.get(a.account) ?? {})].join(' ').toLowerCase().includes(w)))
      .sort((a, b) => urgency.indexOf(a.state) - urgency.indexOf(b.state));
    bar.hidden = status.accounts.length < searchFrom;
    none.hidden = shown.length > 0;
    table.hidden = shown.length === 0;
    rest.hidden = shown.length <= most;
    rest.textContent = `Show all ${shown.length}`;
    keyed(body, shown.slice(0, most), (a) => a.account, (a) => [a, people.get(a.account), status.listeners[0]], (a) => row(a, people.get(a.account), status.listeners[0] ?? '', opened));
  };
  search.addEventListener('input', () => {
    remembered.write('find-account', search.value);
    render();
  });
  const askWho = async () => {
    const token = (a) => `${a.generation} ${a.obtained_at}`;
    const unknown = status.accounts.filter((a) => usable(a) && asked.get(a.account) !== token(a)).slice(0, askedAtOnce);
    unknown.forEach((a) => asked.set(a.account, token(a)));
    for (const a of unknown) {
      if (left) return;
      people.set(a.account, await api.person(a.account).catch(() => null)); // the table has a problem to show, or nothing
      render();
    }
  };
  return {
    element: h('div', bar, h('div.table-box', table), rest, none),
    leave: () => { left = true; },
    show(now) {
      status = now;
      render();
      askWho();
    },
  };
}

function row(a, person, listener, opened) {
  const base = baseOf(listener) + (a.account === 'default' ? '' : `/@${a.account}`);
  const facts = [
    ['Token expires', when(a.expires_at)],
    ['Newest token', a.generation ? when(a.obtained_at) : null],
    ['Generation', a.generation || null],
    ['Last successful refresh', a.scheme === 'Bearer' && a.state !== 'login-required' ? when(a.refresh_proven_at) ?? 'never tried' : null],
    ['Cause', a.why],
    ['Detail', a.detail && a.detail !== a.cause ? a.detail : null],
    ['In this state since', a.state === 'ready' ? null : when(a.since)],
  ].filter(([, value]) => value);
  const details = h('details.facts', { open: opened.has(a.account) }, h('summary', { 'data-action': 'details', 'aria-label': `Details: ${a.account}` }, 'Details'), h('dl', facts.map(([name, value]) => h('div', h('dt', name), h('dd', value)))));
  details.addEventListener('toggle', () => {
    if (details.open) opened.add(a.account);
    else opened.delete(a.account);
    remembered.write('open-accounts', [...opened]);
  });
  const who = [a.scheme === 'API-Key' && 'an API key', person?.name, person?.email, person?.workspace].filter(Boolean).join(', ');
  return h('tr', { class: `account account-${a.state}` },
    h('th', { scope: 'row' }, h('span.name', a.account), facts.length > 0 && details,
      h('span.person', { title: who }, who)),
    h('td', h('span', { class: `state state-${a.state}` }, stateName(a.state))),
    h('td.expires', until(a.expires_at) ?? (a.generation && a.state !== 'login-required' ? 'not known' : '–')),
    h('td.base', h('code', base), copyButton(() => base, `Copy the base URL of ${a.account}`)),
    h('td', h('div.actions', actions(a, false))));
}

function charts({ minutes, in_flight: inFlight }) {
  const requests = minutes.map((m) => m.requests);
  const errors = minutes.map((m) => m.errors);
  const now = minutes.at(-1);
  const busy = minutes.findLast((m) => m.requests > 0);
  const total = (list) => list.reduce((sum, n) => sum + n, 0);
  return [
    figure('Requests per minute', now.requests, `${total(requests)} in the last hour, ${inFlight} running`,
      bars(minutes, requests, `Requests per minute over the last hour: ${total(requests)} in all, at most ${Math.max(...requests)} in a minute`)),
    figure('Errors per minute', now.errors, `${total(errors)} in the last hour`,
      bars(minutes, errors, `Errors per minute over the last hour: ${total(errors)} in all`, 'bad')),
    figure('Time to answer', busy ? `≤ ${milliseconds(busy.median_ms)}` : '–', busy ? `median; 95 % within ${milliseconds(busy.p95_ms)}` : 'no requests',
      lines(minutes, [{ kind: 'soft', values: minutes.map((m) => m.p95_ms) }, { kind: '', values: minutes.map((m) => m.median_ms) }], milliseconds,
        busy ? `Time to answer: median at most ${milliseconds(busy.median_ms)}, 95 percent within ${milliseconds(busy.p95_ms)}` : 'Time to answer: no requests in the last hour')),
  ];
}

const figure = (title, value, note, chart) => h('figure.card', h('figcaption', title), h('p.value', value, h('small', note)), chart,
  h('p.axis', { 'aria-hidden': 'true' }, h('span', 'an hour ago'), h('span', 'now')));
