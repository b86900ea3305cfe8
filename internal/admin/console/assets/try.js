// Try the API: find an operation, fill in its form, send it through the proxy, or copy it as code.
import * as api from '/console/api.js';
import { showAnswer } from '/console/answer.js';
import { confirmSending } from '/console/confirm.js';
import { copyPanel } from '/console/copypanel.js';
import { fill, h, remembered, say, when } from '/console/dom.js';
import { prepare } from '/console/form.js';
import { searchField } from '/console/search.js';

const first = 2; // the operation that is shown where none was chosen
const maxFile = 8e6; // bytes that the test call takes

// tryPage shows the page in root and returns a function that follows the address.
export function tryPage(root, rest, status) {
  const list = h('nav.operations', { 'aria-label': 'Operations' });
  const detail = h('div.operation', { id: 'operation', tabindex: -1 });
  const history = h('section.history', { 'aria-label': 'Sent from here' });
  const layout = h('div.try', list, h('div', detail, history));
  root.append(h('h1.unseen', 'Try the API'), layout);
  const page = { status, history, operations: [], catalogue: null, release: () => {}, again: () => {}, fromSearch: false };
  let wanted = rest;
  const open = (moved) => {
    if (!page.catalogue) return;
    const op = page.operations.find((o) => o.number === Number(wanted[0])) ?? page.operations.find((o) => o.number === first);
    layout.classList.toggle('chosen', wanted.length > 0);
    for (const a of list.querySelectorAll('a')) {
      if (a.getAttribute('href') === `#/try/${op.number}`) {
        a.setAttribute('aria-current', 'true');
        a.scrollIntoView({ block: 'nearest' });
      } else a.removeAttribute('aria-current');
    }
    page.release();
    page.release = showOperation(detail, op, page);
    if (moved) {
      scrollTo(0, 0);
      (page.fromSearch && [...detail.querySelectorAll('.try-form :is(input, select, textarea)')].find((e) => e.checkVisibility()) || detail).focus({ preventScroll: true });
      page.fromSearch = false;
    }
    showHistory(page);
  };
  api.catalogue().then((catalogue) => {
    page.catalogue = catalogue;
    page.operations = catalogue.operations;
    list.append(...searchField(catalogue.operations, () => { page.fromSearch = true; }));
    open(false);
  }, (error) => fill(detail, h('p.field-problem', { role: 'alert' }, `The list of operations could not be loaded. ${error.message}`)));
  return {
    go(rest) {
      wanted = rest;
      open(true);
    },
    leave: () => page.release(),
    update(status) {
      page.status = status;
    },
  };
}

const mostHistory = 20;

// keepInHistory adds what was sent. Old entries make room, and so does the body of the newest if it is too large.
function keepInHistory(entry) {
  const all = [entry, ...remembered.read('history', [])].slice(0, mostHistory);
  while (all.length > 1 && !remembered.write('history', all)) all.pop();
  if (all.length === 1 && !remembered.write('history', all)) remembered.write('history', [{ ...entry, state: [] }]);
}

// showHistory lists what was sent from this tab, to be sent again.
function showHistory(page) {
  const all = remembered.read('history', []);
  fill(page.history, all.length > 0 && [
    h('h2', 'Sent from here'),
    h('ul', all.map((entry) => h('li',
      h('span', { class: `status status-${entry.status >= 500 ? 'bad' : entry.status >= 400 ? 'warn' : 'good'}` }, entry.status), ' ',
      h('span', { class: `method method-${entry.method}` }, entry.method), ' ', h('code', entry.target), ' ',
      h('span.tag', entry.account), ' ', when(entry.at), ' ',
      h('button.small', {
        type: 'button',
        onclick: () => {
          remembered.write(`form-${entry.number}`, entry.state);
          remembered.write('account', entry.account);
          if (location.hash === `#/try/${entry.number}`) page.again();
          else location.hash = `#/try/${entry.number}`;
        },
      }, 'Again')))),
    h('p.fine', '“Again” fills the form with the same values. It sends nothing until you press the button.')]);
}

// pathText shows a path with its parameters highlighted.
const pathText = (path) => path.split(/(\{\w+\})/).map((part) => (part.startsWith('{') ? h('span.parameter', part) : part));

const answerKinds = { json: 'JSON', empty: 'no body', pdf: 'a PDF, or a zip', file: 'a file of any type' };

function reference(op) {
  const bodies = { json: 'JSON', multipart: 'multipart/form-data', form: 'a form' };
  return h('dl.reference',
    h('div', h('dt', 'Body'), h('dd', bodies[op.body?.kind] ?? 'none')),
    h('div', h('dt', 'Answers'), h('dd', op.answers.map((a, i) => [i > 0 && '; ', h('strong', a.status), ` ${answerKinds[a.body]}`, a.about && ` (${a.about})`]))),
    h('div', h('dt', 'Number'), h('dd', `${op.number} of 127`)),
    h('div', h('dt', 'Reference'), h('dd', h('a', { href: op.page, rel: 'noreferrer' }, 'PandaDoc’s page'))));
}

// showOperation shows one operation and returns a function that removes it.
function showOperation(root, op, page) {
  let free = () => {};
  let removed = false;
  const flags = [op.deprecated && 'deprecated', op.hidden && 'not in PandaDoc’s documentation', op.secret && 'the answer contains a secret'].filter(Boolean);
  const head = [
    h('p.back', h('a', { href: '#/try' }, '← All operations')),
    h('div.operation-head', h('h2', op.title), op.note && h('p', op.note), flags.map((f) => h('span.tag', f)),
      h('p.path', h('span', { class: `method method-${op.method}` }, op.method), ' ', h('code', pathText(op.path)))),
    reference(op),
  ];
  if (op.path.startsWith('/oauth2/')) {
    fill(root, head, h('p.note', 'You cannot try this operation: only the proxy itself uses this endpoint, and it refuses requests of clients with 403.'));
    return free;
  }
  const form = prepare(op, page.catalogue, page.status?.accounts.map((a) => a.account) ?? []);
  const problem = h('p.field-problem', { role: 'alert' });
  const send = h('button.primary.send', { type: 'submit' }, 'Test request');
  let waiting = new AbortController();
  const stop = h('button', { type: 'button', hidden: true, onclick: () => waiting.abort() }, 'Stop waiting');
  page.again = () => {
    form.restore();
    refreshCopy();
    send.focus();
  };
  const place = h('section.answer', { 'aria-label': 'Answer' });
  const copy = copyPanel(op, () => page.status?.listeners?.[0] ?? '');
  const refreshCopy = () => copy.show(withCallerHeaders(form.read(), page.status));
  const element = h('form.try-form', { novalidate: true }, form.element, problem,
    h('div.send-row', send, stop, op.method !== 'GET' && h('span.fine', 'You must confirm before it is sent.')));
  const run = async () => {
    if (send.disabled) return; // Ask again, pressed twice
    const missing = form.problem();
    problem.textContent = missing?.text ?? '';
    if (missing) {
      missing.focus();
      return;
    }
    const { request } = form.read();
    const state = form.state();
    if (op.method !== 'GET' && !(await confirmSending(op, request, page.status))) return;
    send.disabled = true;
    send.textContent = 'Waiting…';
    stop.hidden = false;
    waiting = new AbortController();
    try {
      const answer = await api.test(await callOf(request), waiting.signal);
      const entry = { number: op.number, method: op.method, target: request.target, account: request.account, at: new Date().toISOString(), status: answer.status, state };
      keepInHistory(entry);
      showHistory(page);
      if (removed) return;
      free();
      free = showAnswer(place, answer, op, run);
      place.scrollIntoView({ block: 'nearest', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
    } catch (error) {
      problem.textContent = waiting.signal.aborted ? stopped(op) : [error.message, error.hint].filter(Boolean).join(' ');
    } finally {
      stop.hidden = true;
      send.disabled = false;
      send.textContent = 'Test request';
      if (document.activeElement === document.body) send.focus({ preventScroll: true }); // which it lost
    }
  };
  element.addEventListener('submit', (event) => {
    event.preventDefault();
    run();
  });
  for (const kind of ['input', 'change']) {
    element.addEventListener(kind, () => {
      form.save();
      refreshCopy();
    });
  }
  fill(root, head, element, place, copy.element);
  refreshCopy();
  say(`${op.method} ${op.title}`);
  return () => {
    removed = true;
    free();
  };
}

const stopped = (op) => (op.method === 'GET' ? 'You stopped waiting for the answer.' : 'You stopped waiting for the answer. Check whether the request took effect before you send it again.');

// withCallerHeaders adds the headers that clients of this proxy must send. A test request does not need them.
function withCallerHeaders({ request, values }, status) {
  const missing = (status?.caller_headers ?? []).filter((name) => !request.headers.some(([n]) => n.toLowerCase() === name.toLowerCase()));
  return { values, request: { ...request, headers: [...request.headers, ...missing.map((name) => [name, 'change-me'])] } };
}

// callOf converts a request to the body of the test call.
async function callOf(request) {
  const call = { account: request.account, method: request.method, target: request.target, headers: Object.fromEntries(request.headers) };
  if (request.body.kind === 'json') {
    call.body = request.body.text;
    if (!request.headers.some(([name]) => name.toLowerCase() === 'content-type')) call.headers['Content-Type'] = 'application/json';
  }
  if (request.body.kind === 'multipart') call.parts = await Promise.all(request.body.parts.map(partOf));
  return call;
}

async function partOf(part) {
  if (!part.file) return { name: part.name, text: part.text };
  if (part.file.size > maxFile) throw new Error('The file is larger than 8 MB, the limit of a test request. Send it with curl.');
  return { name: part.name, filename: part.filename, content_type: part.type, base64: await base64Of(part.file) };
}

function base64Of(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(',') + 1));
    reader.onerror = () => reject(new Error('The file cannot be read.'));
    reader.readAsDataURL(file);
  });
}
