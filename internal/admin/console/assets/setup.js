// Set-up: the steps to a signed-in proxy, and which of them are done.
import * as api from '/console/api.js';
import { copyButton, fill, h } from '/console/dom.js';
import { curlOf } from '/console/copy.js';
import { usable } from '/console/words.js';

const accountName = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

// setup shows the page in root and returns its update function. The part "connect" is for one more account.
export function setup(root, [part], first) {
  const steps = h('ol.steps');
  root.append(h('h1', 'Set-up'),
    h('p.lead', 'Do this once: register an application at PandaDoc, give its client id and secret to the proxy, and connect. After that, the proxy stays signed in by itself.'),
    steps);
  const draft = { name: part === 'connect' ? '' : null }; // of the account, once somebody has touched it
  const toName = () => {
    const input = document.getElementById('account');
    input?.focus();
    return input;
  };
  let shown = '';
  const update = (status) => {
    const key = JSON.stringify([status.accounts.map((a) => [a.account, a.state]), status.has_client_id, status.redirect_url, status.listeners]);
    if (key === shown) return;
    shown = key;
    const typing = document.activeElement?.id === 'account' && [document.activeElement.selectionStart, document.activeElement.selectionEnd];
    fill(steps, register(status), configure(status), connect(status, draft), point(status));
    if (typing) toName()?.setSelectionRange(...typing);
  };
  if (first) update(first);
  return { update, focus: () => part === 'connect' && toName() };
}

function step(name, title, done, ...content) {
  return h('li', { class: done ? 'step done' : 'step' },
    h('h2', { id: `step-${name}`, tabindex: -1 }, title, done && h('span.check', ' Done')), content);
}

function register(status) {
  return step('register', 'Register an application at PandaDoc', status.has_client_id,
    h('p', 'In PandaDoc’s developer dashboard, create an application. Give it any name, and exactly this redirect URL:'),
    copyable(status.redirect_url, 'Redirect URL'),
    h('p.fine', 'To create an application, your plan needs production access to the API. If PandaDoc does not accept this address, register another address that leads to this proxy, and set it with ', h('code', '--redirect-url'), '.'),
    h('details', h('summary', 'No application? An API key works as well'),
      h('p', 'Start the proxy with your key, and skip the next two steps. A sandbox key is free, but limited to 10 requests a minute.'),
      copyable('export PANDADOC_API_KEY=…', 'Command')));
}

function configure(status) {
  return step('configure', 'Give the proxy the client id and secret', status.has_client_id,
    status.has_client_id
      ? h('p', 'The proxy has a client id.')
      : [h('p', 'The dashboard shows both. Set them in the environment of the proxy, then restart it:'),
        copyable('export PANDADOC_CLIENT_ID=…\nexport PANDADOC_CLIENT_SECRET=…', 'Commands'),
        h('p.fine', 'You can also give files with the values, such as mounted secrets: ', h('code', 'PANDADOC_CLIENT_ID_FILE'), ' and ', h('code', 'PANDADOC_CLIENT_SECRET_FILE'), '.')]);
}

const named = 6; // accounts that are named

function connect(status, draft) {
  const waiting = status.accounts.find((a) => !usable(a))?.account ?? 'default';
  const connected = status.accounts.filter(usable).map((a) => a.account);
  const outcome = h('span.outcome', { role: 'status' });
  const button = h('button', { type: 'submit', class: connected.length && draft.name === null ? null : 'primary' }, 'Connect');
  const problem = h('p.field-problem', { id: 'account-problem', role: 'alert', hidden: true }, 'Use lower-case letters, digits and hyphens, like acme-sales.');
  const input = h('input', { id: 'account', value: draft.name ?? waiting, spellcheck: 'false', autocapitalize: 'none', autocomplete: 'off', 'aria-describedby': 'account-about account-problem' });
  const check = () => {
    const good = accountName.test(input.value);
    problem.hidden = good || input.value === '';
    input.setAttribute('aria-invalid', String(!problem.hidden));
    button.disabled = !good;
  };
  check();
  input.addEventListener('input', () => {
    draft.name = input.value;
    check();
  });
  const form = h('form', { novalidate: true },
    h('div.field', h('label', { for: 'account' }, 'Account'), input,
      h('p.fine', { id: 'account-about' }, 'Choose any name. A request that does not name an account uses “default”.'), problem),
    !status.has_client_id && h('p.field-problem', 'The proxy has no client id yet, which PandaDoc needs to identify your application. ',
      h('button.link', { type: 'button', onclick: () => document.getElementById('step-configure').focus() }, 'Do step 2 first'), '.'),
    h('div.actions', button, outcome));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    try {
      await api.connect(input.value);
    } catch (error) {
      outcome.textContent = [error.message, error.hint].filter(Boolean).join(' ');
    }
  });
  const names = connected.slice(0, named).map((name, i) => [i > 0 && ', ', h('strong', name)]);
  return step('connect', 'Connect', connected.length > 0,
    connected.length > 0 && h('p', 'Signed in: ', names, connected.length > named && ` and ${connected.length - named} more`, '. You can connect another account, or the same account again.'),
    h('p', 'PandaDoc asks for your consent in the browser and sends you back here. The proxy stores the tokens; you will never see them.'),
    form);
}

function point(status) {
  const ready = status.accounts.some(usable);
  const headers = (status.caller_headers ?? []).map((name) => [name, 'change-me']);
  const curl = curlOf({ method: 'GET', target: '/public/v1/documents?count=5', headers, body: { kind: 'none' } }, status.listeners[0] ?? '');
  return step('point', 'Point your programs at the proxy', false,
    h('p', 'Replace ', h('code', 'https://api.pandadoc.com'), ' with the proxy’s address, and remove all credentials.'),
    copyable(curl, 'Command'),
    h('p', h('a', { class: ready ? 'button primary' : 'button', href: '#/try/2' }, 'Send a first request')));
}

function copyable(text, what) {
  return h('div.copyable', h('pre', { tabindex: 0, 'aria-label': what }, text), copyButton(() => text));
}
