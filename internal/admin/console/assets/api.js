// The admin listener's API, which this page was loaded from.

// Every request that changes something carries this header, which no page elsewhere can send.
const own = { 'Pandadoc-Auth-Proxy': 'console' };

// ApiError is an answer that says what was wrong and what to try.
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || `The proxy answered ${status}.`);
    this.status = status;
    this.code = problem.code || '';
    this.hint = problem.hint || '';
  }
}

async function ask(path, options) {
  const answer = await fetch(path, options);
  const body = await answer.json();
  if (answer.headers.get('Content-Type') === 'application/problem+json') throw new ApiError(answer.status, body);
  return body;
}

export const get = (path) => ask(path, { cache: 'no-store' });
export const post = (path, body) => ask(path, { method: 'POST', headers: own, body: body === undefined ? undefined : JSON.stringify(body) });

export const status = () => get('/api/v1/status');
export const requests = () => get('/api/v1/requests?limit=25');
export const refresh = (account) => post(`/api/v1/accounts/${encodeURIComponent(account)}/refresh`);
export const test = (call) => post('/api/v1/test', call);

let operations = null;

// catalogue returns the description of the operations, loaded once.
export function catalogue() {
  operations ??= get('/console/operations.json').catch((error) => {
    operations = null;
    throw error;
  });
  return operations;
}
