// The API of the admin listener that this page was loaded from.

// Every request that changes something has this header, which pages of other sites cannot send.
const own = { 'Pandadoc-Auth-Proxy': 'console' };

const sessionKey = 'pandadoc-auth-proxy.session';

// ApiError is an error answer, with its message and its hint.
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || `The proxy answered ${status}.`);
    this.status = status;
    this.code = problem.code || '';
    this.hint = problem.hint || '';
  }
}

// isLocked reports whether the error means that the user must open the console with a link from the command
// line.
export const isLocked = (error) => error instanceof ApiError && error.code === 'admin-key-required';

// The session is sent as a header: a cookie would also go to other ports of this machine.
export const hasSession = () => Boolean(sessionStorage.getItem(sessionKey));
const authorization = () => (hasSession() ? { Authorization: `Bearer ${sessionStorage.getItem(sessionKey)}` } : {});

const patience = 15_000; // milliseconds to wait for an answer that changes nothing

async function ask(path, { headers = {}, ...options }) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: { ...headers, ...authorization() } });
  } catch (error) {
    if (error.name === 'AbortError') throw error; // the user did not wait
    throw new Error(`The proxy does not answer.${options.method ? ' Check whether the request took effect before you send it again.' : ''}`);
  }
  const body = await answer.json();
  if (answer.headers.get('Content-Type') === 'application/problem+json') throw new ApiError(answer.status, body);
  return body;
}

export const get = (path) => ask(path, { cache: 'no-store', signal: AbortSignal.timeout(patience) });
export const post = (path, body, signal) => ask(path, { method: 'POST', headers: own, signal, body: body === undefined ? undefined : JSON.stringify(body) });

const account = (name, verb) => `/api/v1/accounts/${encodeURIComponent(name)}/${verb}`;

// byName puts account-2 before account-10, and default, which requests without a name use, before all.
const byName = (a, b) => (b.account === 'default') - (a.account === 'default') || a.account.localeCompare(b.account, 'en', { numeric: true });

export async function status() {
  const now = await get('/api/v1/status');
  now.accounts.sort(byName);
  return now;
}

export const requests = (limit) => get(`/api/v1/requests?limit=${limit}`);
export const refresh = (name) => post(account(name, 'refresh'));
export const person = (name) => get(account(name, 'person'));
export const test = (call, signal) => post('/api/v1/test', call, signal);

// enter exchanges the code of a link for a session of this tab.
export async function enter(code) {
  const { session } = await post('/api/v1/session', { code });
  sessionStorage.setItem(sessionKey, session);
}

// connect goes to PandaDoc's consent page for an account.
export async function connect(name) {
  const { url } = await post('/api/v1/links', { account: name });
  location.assign(url);
}

let operations = null;

// catalogue returns the description of the operations, loaded once.
export function catalogue() {
  operations ??= get('/console/operations.json').catch((error) => {
    operations = null;
    throw error;
  });
  return operations;
}
