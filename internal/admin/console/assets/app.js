// The console: chooses the page by the address and keeps what all pages show up to date.
import * as api from '/console/api.js';
import { fill, h, say, tick } from '/console/dom.js';
import { overview } from '/console/overview.js';
import { setup } from '/console/setup.js';
import { tryPage } from '/console/try.js';
import { stateName } from '/console/words.js';

const pages = {
  overview: { title: 'Overview', open: overview },
  try: { title: 'Try the API', open: tryPage },
  setup: { title: 'Set-up', open: setup },
};

const main = document.getElementById('main');
let page = null; // what is shown: {name, update(status), leave()}
let last = null; // the newest status
let told = '';

// route reads the address: #/try/2 is the page try with the argument 2.
function route() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, '').split('/');
  return pages[name] ? { name, rest } : null;
}

function firstPage() {
  const fresh = last && last.accounts.every((a) => a.state === 'login-required' && a.cause === 'not-signed-in');
  return fresh ? '#/setup' : '#/overview';
}

async function show() {
  if (location.hash === '#main') return; // the link that skips the header
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
  const moved = page !== null;
  page?.leave?.();
  page = { name: to.name, ...pages[to.name].open(fill(main), to.rest, last) };
  if (moved) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
}

function showHealth(status) {
  const text = stateName(status.state);
  fill(document.getElementById('health'), h('a', { href: '#/overview', class: `state state-${status.state}`, title: 'State of all accounts together' }, text));
  if (told && told !== text) say(`The proxy is now: ${text}`);
  told = text;
  fill(document.getElementById('about'),
    h('p', `pandadoc-auth-proxy ${status.version}`, h('span', ' serves ', h('code', status.listeners.join(' '))),
      h('span', ' for ', h('code', status.upstream)), h('span', ' and keeps tokens in ', h('code', status.store)), '.'),
    h('p', h('a', { href: '/api/v1/status' }, 'Status as JSON'), ' ', h('a', { href: '/metrics' }, 'Metrics'), ' ', h('a', { href: '/readyz' }, 'Readiness')));
}

const offline = document.getElementById('offline');

// update asks for the status and hands it to the page.
async function update() {
  try {
    last = await api.status();
    offline.hidden = true;
    showHealth(last);
    await page?.update?.(last);
  } catch (error) {
    offline.hidden = false;
    offline.textContent = error instanceof api.ApiError ? error.message : 'The proxy does not answer. Trying again…';
  }
}

async function loop() {
  await update();
  setTimeout(loop, document.hidden ? 15000 : 2000);
}

// settle moves to the host name to which PandaDoc sends the browser back, if that is this very listener
// by another loopback name. To the browser, a login that begins elsewhere comes from a foreign page.
function settle() {
  const loopback = ['localhost', '127.0.0.1', '[::1]'];
  const home = new URL(last.redirect_url);
  if (home.host === location.host || home.port !== location.port) return false;
  if (!loopback.includes(home.hostname) || !loopback.includes(location.hostname)) return false;
  location.replace(`${home.origin}/${location.hash}`);
  return true;
}

addEventListener('hashchange', show);
document.addEventListener('visibilitychange', () => { if (!document.hidden) update(); });
document.addEventListener('console:update', update);
setInterval(tick, 1000);
await update();
if (!last || !settle()) {
  await show();
  setTimeout(loop, 2000);
}
