// The console: shows the page that the address names, and updates what all pages share.
import * as api from '/console/api.js';
import { copyButton, fill, h, say, tick } from '/console/dom.js';
import { overview } from '/console/overview.js';
import { setup } from '/console/setup.js';
import { tryPage } from '/console/try.js';
import { environmentName, stateName } from '/console/words.js';

const pages = {
  overview: { title: 'Overview', open: overview },
  try: { title: 'Try the API', open: tryPage },
  setup: { title: 'Set-up', open: setup },
};

const main = document.getElementById('main');
let page = null; // what is shown: {name, update(status), leave()}
let last = null; // the newest status
let told = '';
let refusal = ''; // why a link did not open the console
let timer = 0;

// route reads the address: #/try/2 is the page try with the argument 2.
function route() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, '').split('/');
  return Object.hasOwn(pages, name) ? { name, rest } : null;
}

function firstPage() {
  const fresh = last && last.accounts.every((a) => a.state === 'login-required' && a.cause === 'not-signed-in');
  return fresh ? '#/setup' : '#/overview';
}

async function show() {
  if (location.hash === '#main') return; // the link that skips the header
  if (location.hash.startsWith('#/enter/')) {
    await enter();
    await update();
  }
  if (!last) return; // locked, or no answer yet
  const to = route();
  if (!to) {
    location.replace(firstPage());
    return;
  }
  for (const a of document.querySelectorAll('header nav a')) {
    const here = a.getAttribute('href') === `#/${to.name}`;
    if (here) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
  }
  document.title = `${pages[to.name].title} - pandadoc-auth-proxy`;
  if (page?.name === to.name && page.go) {
    page.go(to.rest);
    return;
  }
  const moved = page !== null && page.name !== 'locked';
  page?.leave?.();
  page = { name: to.name, ...pages[to.name].open(fill(main), to.rest, last) };
  page.update?.(last);
  if (moved) {
    scrollTo(0, 0);
    if (!page.focus?.()) main.focus({ preventScroll: true });
  }
}

// enter uses the code of a link, once, and removes it from the address.
async function enter() {
  const code = location.hash.slice('#/enter/'.length);
  history.replaceState(null, '', '#/overview');
  try {
    await api.enter(code);
    refusal = '';
  } catch (error) {
    refusal = error.message;
  }
}

// showLocked is the page for a browser that was opened without a link.
function showLocked() {
  last = null;
  if (page?.name === 'locked' && page.refusal === refusal) return;
  page?.leave?.();
  page = { name: 'locked', refusal };
  document.title = 'Locked - pandadoc-auth-proxy';
  fill(document.getElementById('health'), h('span.state.state-unknown', 'Locked'));
  fill(main, h('h1', 'The console is locked'),
    refusal && h('p.field-problem', { role: 'alert' }, refusal),
    h('p', 'The console requires the admin key, because the proxied port requires authentication or --admin-key-file is set. To open the console without the key, run this command on the proxy’s machine, as the proxy’s user, and with the proxy’s --admin-listen if it has one. It prints a link that works once:'),
    h('div.copyable', h('pre', { tabindex: 0, 'aria-label': 'Command' }, 'pandadoc-auth-proxy console'), copyButton(() => 'pandadoc-auth-proxy console')));
}

function showHealth(status) {
  const text = stateName(status.state);
  fill(document.getElementById('health'),
    h('span', { class: `environment environment-${status.environment}`, title: status.upstream }, environmentName(status)),
    h('a', { href: '#/overview', class: `state state-${status.state}`, title: 'State of all accounts together' }, text));
  if (told && told !== text) say(`The proxy is now: ${text}`);
  told = text;
  fill(document.getElementById('about'),
    h('p', `pandadoc-auth-proxy ${status.version}`, h('span', ' serves ', h('code', status.listeners.join(' '))),
      h('span', ' for ', h('code', status.upstream)), h('span', ', with the token store ', h('code', status.store)), '.'),
    h('p', !api.hasSession() && [h('a', { href: '/api/v1/status' }, 'Status as JSON'), ' '], h('a', { href: '/metrics' }, 'Metrics'), ' ', h('a', { href: '/readyz' }, 'Readiness')));
}

const offline = document.getElementById('offline');

// update gets the status and passes it to the page.
async function update() {
  try {
    last = await api.status();
    offline.hidden = true;
    showHealth(last);
    if (!page || page.name === 'locked') {
      if (settle()) return;
      page = null;
      await show();
    }
    await page?.update?.(last);
  } catch (error) {
    if (api.isLocked(error)) {
      offline.hidden = true;
      showLocked();
      return;
    }
    offline.hidden = false;
    document.querySelector('#health .state')?.replaceWith(h('span.state.state-unknown', 'No answer'));
    offline.textContent = error instanceof api.ApiError ? error.message : 'The proxy does not answer. Trying again…';
  }
}

async function loop() {
  await update();
  clearTimeout(timer);
  timer = setTimeout(loop, document.hidden || !last ? 15000 : 2000);
}

// settle opens the console under the host name of the redirect URL, if that is another loopback name of this
// listener. Otherwise the browser treats the login as a request from another site.
function settle() {
  const loopback = ['localhost', '127.0.0.1', '[::1]'];
  const home = new URL(last.redirect_url);
  if (api.hasSession() || home.host === location.host || home.port !== location.port) return false;
  if (!loopback.includes(home.hostname) || !loopback.includes(location.hostname)) return false;
  location.replace(`${home.origin}/${location.hash}`);
  return true;
}

addEventListener('hashchange', show);
document.addEventListener('visibilitychange', () => { if (!document.hidden) loop(); });
document.addEventListener('console:update', update);
setInterval(tick, 1000);
if (location.hash.startsWith('#/enter/')) await enter();
await loop();
