// The answer to a test request.
import { bytes, copyButton, fill, h, milliseconds, say } from '/console/dom.js';

const shownUpTo = 200_000; // characters; more would make the page slow

const statusTexts = {
  200: 'OK', 201: 'Created', 202: 'Accepted', 204: 'No content', 400: 'Bad request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not found',
  405: 'Method not allowed', 409: 'Conflict', 413: 'Too large', 415: 'Unsupported media type', 422: 'Unprocessable', 423: 'Locked', 429: 'Too many requests',
  500: 'Server error', 501: 'Not implemented', 502: 'Bad gateway', 503: 'Unavailable', 504: 'Gateway timeout',
};

// showAnswer fills place and returns a function that frees its memory. again sends the request once more.
export function showAnswer(place, answer, op, again) {
  const urls = [];
  const header = (name) => answer.headers[name]?.[0] ?? '';
  const own = answer.request?.code;
  fill(place,
    h('div.answer-head',
      h('h2', 'Answer'),
      h('span', { class: `status status-${kindOf(answer)}` }, `${answer.status} ${statusTexts[answer.status] ?? ''}`),
      h('span.fine', milliseconds(answer.duration_ms)), h('span.fine', bytes(answer.size)),
      own && h('span.tag', 'answered by the proxy')),
    happened(answer),
    header('Retry-After') && answer.status === 202 && h('p.note', 'Not ready yet. ', h('button.small', { type: 'button', onclick: again }, 'Ask again')),
    answer.truncated && h('p.note', 'This is only a part: the answer is too long to show, or was cut off.'),
    op.secret && answer.status < 300 && h('p.note.warning', 'This answer contains a secret. Do not share a screenshot of it.'),
    bodyOf(answer, header, op, urls),
    h('details.group', h('summary', `Headers, ${Object.keys(answer.headers).length}`),
      h('dl.headers', Object.entries(answer.headers).sort().flatMap(([name, values]) => values.map((v) => [h('dt', name), h('dd', v)])))));
  say(`Answer: ${answer.status} ${statusTexts[answer.status] ?? ''}${answer.request?.refreshed ? ', after a refresh' : ''}`);
  return () => urls.forEach((url) => URL.revokeObjectURL(url));
}

function kindOf(answer) {
  if (answer.status >= 500 || answer.request?.code) return 'bad';
  return answer.status >= 400 ? 'warn' : 'good';
}

// happened shows in one line if a refresh and a replay were needed, with the details to unfold.
function happened({ request }) {
  if (!request) return null;
  let line = 'The request was sent once, and the token was accepted.';
  if (request.code) line = 'The proxy itself answered this request.';
  else if (request.replayed && request.refreshed) line = `The proxy refreshed the token (generation ${request.refused_generation} → ${request.generation}) and repeated the request. A client sees only this answer.`;
  else if (request.replayed) line = request.replay ? 'The request was repeated after a 401.' : 'The request was sent again, because PandaDoc had not processed it.';
  else if (request.reason) line = `The 401 was not retried: ${request.reason}.`;
  return h('details', { class: request.replayed ? 'happened replayed' : 'happened', open: Boolean(request.code || request.reason) },
    h('summary', line), request.explanation.map((text) => h('p', text)), h('p.fine', `Request id ${request.id}`));
}

function bodyOf(answer, header, op, urls) {
  if (answer.size === 0) return h('p.empty', 'The answer has no body.');
  const type = header('Content-Type').split(';')[0].trim().toLowerCase();
  const data = () => new Blob([answer.body_base64 ? fromBase64(answer.body_base64) : answer.body], { type: safeType(type) });
  const address = () => {
    const made = URL.createObjectURL(data());
    urls.push(made);
    return made;
  };
  const save = h('a.button', { href: address(), download: nameOf(header('Content-Disposition'), type) }, 'Save as a file');
  if (type === 'application/pdf') {
    return h('div.document', h('iframe', { src: `${address()}#navpanes=0`, title: 'The document' }), h('p', save));
  }
  if (/^image\/(png|jpeg|gif|webp)$/.test(type)) return h('div.document', h('img', { src: address(), alt: 'The image in the answer' }), h('p', save));
  if (answer.body === undefined) return h('p', `${bytes(answer.size)} of ${type || 'an unknown type'}. `, save);
  const json = pretty(answer.body);
  const text = json ?? answer.body;
  return h('div.code-box', h('div.code-tools', copyButton(() => text), save),
    text.length > shownUpTo && h('p.note', `The first ${shownUpTo.toLocaleString()} of ${text.length.toLocaleString()} characters are shown. Copy or save it to get all of it.`),
    h('pre', { class: json ? null : 'wrapped', tabindex: 0, 'aria-label': 'Body of the answer' }, h('code', json && text.length <= shownUpTo ? highlight(text) : text.slice(0, shownUpTo))));
}

// safeType returns the type to give to the browser: never a type that can run scripts.
const safeType = (type) => (/^(application\/(pdf|zip|json)|image\/(png|jpeg|gif|webp)|text\/plain)$/.test(type) ? type : 'application/octet-stream');

function nameOf(disposition, type) {
  const given = /filename="?([^";]+)"?/.exec(disposition)?.[1];
  return given ?? { 'application/pdf': 'document.pdf', 'application/zip': 'documents.zip', 'application/json': 'answer.json' }[type] ?? 'answer';
}

function fromBase64(text) {
  const raw = atob(text);
  return Uint8Array.from(raw, (c) => c.charCodeAt(0));
}

// pretty returns JSON with line breaks, or null for what is no JSON, or too deep to be printed.
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}

// highlight marks keys, strings, numbers and literals in JSON that pretty has formatted.
function highlight(text) {
  const parts = [];
  let from = 0;
  for (const m of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\b(?:true|false|null)\b/g)) {
    parts.push(text.slice(from, m.index));
    const kind = m[2] ? 'key' : m[1] ? 'text' : 'value';
    parts.push(h(`span.json-${kind}`, m[1] ?? m[0]), m[2] ?? '');
    from = m.index + m[0].length;
  }
  parts.push(text.slice(from));
  return parts;
}
