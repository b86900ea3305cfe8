// A prepared request as code for other programs. These functions only make text.
//
// A request is {account, method, target, headers: [[name, value]], body}, and a body is {kind: 'none'},
// {kind: 'json', text} or {kind: 'multipart', parts: [{name, filename, type, text}]}. values holds what
// was filled in, by the API's names: {path: {}, query: {name: [value]}}.

// addressOf returns base and target as one URL, with the account in its path.
export const addressOf = (request, base) => base + prefix(request) + request.target;
const prefix = (request) => (request.account && request.account !== 'default' ? `/@${request.account}` : '');

// reachable splits the address of a listener into its URL for HTTP and the path of its Unix socket, if it is
// one.
function reachable(listener) {
  if (listener.startsWith('unix:')) return { base: 'http://localhost', socket: listener.slice(5) };
  return { base: listener || 'http://localhost:8080', socket: '' };
}

// baseOf returns the base URL for a program.
export const baseOf = (listener) => reachable(listener).base;

const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

// argument writes one argument of a command for a POSIX shell. It leaves plain words as they are.
export const argument = (text) => (/^[\w./:=@%+-]+$/.test(text) ? text : quote(text));

// curlOf returns a command for a POSIX shell.
export function curlOf(request, listener) {
  const { base, socket } = reachable(listener);
  const lines = ['curl -sS'];
  if (socket) lines[0] += ` --unix-socket ${quote(socket)}`;
  if (/[[\]{}]/.test(request.target)) lines[0] += ' --globoff';
  const body = request.body;
  const implied = body.kind === 'none' ? 'GET' : 'POST';
  if (request.method === 'HEAD') lines[0] += ' --head';
  else if (request.method !== implied) lines[0] += ` -X ${request.method}`;
  lines[0] += ` ${quote(addressOf(request, base))}`;
  for (const [name, value] of allHeaders(request)) lines.push(`-H ${quote(value === '' ? `${name};` : `${name}: ${value}`)}`);
  if (body.kind === 'json') lines.push(`--data-raw ${quote(body.text)}`);
  for (const part of body.parts ?? []) {
    lines.push(part.filename
      ? `-F ${quote(`${part.name}=@"${part.filename.replace(/["\\]/g, '\\$&')}";type=${part.type}`)}`
      : `--form-string ${quote(`${part.name}=${part.text}`)}`);
  }
  if (request.binary) lines.push(`-o ${quote(request.binary)}`);
  return lines.join(' \\\n  ');
}

// allHeaders adds the Content-Type of a JSON body, unless it was given.
export function allHeaders(request) {
  const given = request.headers.filter(([name]) => name);
  if (request.body.kind === 'json' && !given.some(([name]) => name.toLowerCase() === 'content-type')) {
    return [...given, ['Content-Type', 'application/json']];
  }
  return given;
}

// escaped protects ${...} in text from engines that would evaluate it.
const escaped = (value) => JSON.parse(JSON.stringify(value).replaceAll('${', '$${'));

// parsed returns the value of a JSON body, or its text if it is not JSON.
function parsed(body) {
  if (body.kind !== 'json') return null;
  try {
    return JSON.parse(body.text);
  } catch {
    return body.text;
  }
}

const readOnly = (request) => ['GET', 'HEAD'].includes(request.method);
const keyHeader = 'X-Proxy-Key'; // carries a client key of the proxy
const fileNote = 'This task cannot send a file: use curl, Node or Python.';

// simworkflowOf returns a workflow with one HTTP task, ready to post to SimWorkflow. The task does not retry a
// request that changes something, because nobody knows if the first try had an effect.
export function simworkflowOf(request, title, publicBase) {
  if (request.body.kind === 'multipart') return { text: '', note: fileNote };
  const task = {
    type: 'Http',
    description: 'PandaDoc through pandadoc-auth-proxy; no PandaDoc token here',
    httpRequest: {
      url: escaped(addressOf(request, publicBase.replace(/\/+$/, ''))), method: request.method,
      headers: escaped({ ...Object.fromEntries(allHeaders(request)), [keyHeader]: 'change-me' }), body: escaped(parsed(request.body)),
    },
    ...(readOnly(request) ? { retry: { intervalSeconds: 2, maxAttempts: 3, backoffRate: 2 } } : {}),
    connectionTimeoutSeconds: 5,
    readTimeoutSeconds: 60,
    end: true,
  };
  return {
    text: JSON.stringify({ name: title, startTask: title, tasks: { [title]: task } }, null, 2),
    note: `SimWorkflow runs on its own servers, so this proxy needs a public HTTPS address. ${keyHeader} must contain one of the proxy’s client keys.`,
  };
}

// conductorOf returns an HTTP task of Conductor, which can run beside the proxy.
export function conductorOf(request, title, listener) {
  if (request.body.kind === 'multipart') return { text: '', note: fileNote };
  const name = `pandadoc_${title.toLowerCase().replace(/[^a-z0-9]+/g, '_').replace(/^_|_$/g, '')}`;
  const headers = request.headers.filter(([n]) => n && !['accept', 'content-type'].includes(n.toLowerCase()));
  const header = (n, otherwise) => request.headers.find(([h]) => h.toLowerCase() === n)?.[1] ?? otherwise;
  const input = {
    uri: escaped(addressOf(request, baseOf(listener))), method: request.method,
    accept: escaped(header('accept', '*/*')),
    ...(request.body.kind === 'json' ? { contentType: escaped(header('content-type', 'application/json')) } : {}),
    ...(headers.length ? { headers: escaped(Object.fromEntries(headers)) } : {}),
    ...(request.body.kind === 'json' ? { body: escaped(parsed(request.body)) } : {}),
    connectionTimeOut: 3000,
    readTimeOut: 60000,
  };
  return {
    text: JSON.stringify({ name, taskReferenceName: `${name}_ref`, type: 'HTTP', inputParameters: input }, null, 2),
    note: request.binary ? 'Conductor reads an answer as text, which damages files: use only the status of the answer.'
      : 'Conductor must run on the same machine or in the same pod as the proxy, or use another address that leads to the proxy.',
  };
}

// asksKey reports whether callers of this proxy need a client key. The SDKs can send it as a Bearer token.
const asksKey = (request) => request.headers.some(([name]) => name === keyHeader);

const camel = (name) => name.replace(/_+(\w)/g, (_, letter) => letter.toUpperCase());
// snake converts a name of the other clients to that of the Python client: FoldersAPIApi is folders_api_api
// there.
const snake = (name) => name.replace(/([A-Z]+)([A-Z][a-z])/g, '$1_$2').replace(/([a-z\d])([A-Z])/g, '$1_$2').toLowerCase();

// typed converts typed text to a value of the type that the API expects.
function typed(parameter, text) {
  if (parameter.type === 'integer' || parameter.type === 'number') return Number.isFinite(Number(text)) && text !== '' ? Number(text) : text;
  if (parameter.type === 'boolean') return text === 'true';
  return text;
}

// sdkArguments returns the arguments of the SDKs' call, with the API's names, or null if the SDKs have no such
// call.
function sdkArguments(op, values, request) {
  const query = (op.query ?? []).filter((p) => values.query[p.name]?.length);
  const ownHeaders = request.headers.some(([name]) => ![keyHeader, 'Accept', 'Content-Type'].includes(name));
  if (!op.sdk || ownHeaders || query.some((p) => op.sdk.lacks?.includes(p.name))) return null;
  const given = Object.fromEntries(Object.entries(values.path).map(([name, value]) => [name, value || `{${name}}`]));
  for (const p of query) {
    const list = values.query[p.name].map((text) => typed(p, text));
    given[p.name] = p.repeat ? list : list[0];
  }
  return given;
}

// Below these, the keys are the user's own and not names of the SDK.
const ownKeys = new Set(['metadata', 'fields']);

function camelKeys(value) {
  if (Array.isArray(value)) return value.map(camelKeys);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [camel(k), ownKeys.has(k) ? v : camelKeys(v)]));
}

const indent = (text, by) => text.replaceAll('\n', `\n${' '.repeat(by)}`);
const js = (value, by = 0) => indent(JSON.stringify(value, null, 2), by);

// nodeOf returns a program for Node, with PandaDoc's client where that has a call for the operation.
export function nodeOf(request, op, values, listener) {
  const base = baseOf(listener) + prefix(request);
  const given = sdkArguments(op, values, request);
  if (!given) return nodeFetch(request, listener);
  const fields = Object.entries(given).map(([name, value]) => `${camel(name)}: ${op.sdk.dates?.includes(name) ? `new Date(${js(value)})` : js(value, 4)}`);
  if (op.sdk.body) fields.push(`${op.sdk.body}: ${js(camelKeys(parsed(request.body)), 4)}`);
  const args = fields.length ? `{\n    ${fields.join(',\n    ')},\n  }` : '';
  return `// npm install pandadoc-node-client
const pandadoc = require('pandadoc-node-client');

const config = pandadoc.createConfiguration({
  baseServer: new pandadoc.ServerConfiguration(${js(base)}, {}), // the proxy: no credentials of PandaDoc here${asksKey(request) ? `
  authMethods: { oauth2: { accessToken: 'change-me' } }, // a client key of the proxy` : ''}
});

(async () => {
  const answer = await new pandadoc.${op.sdk.class}(config).${op.sdk.method}(${args});
  console.log(answer);
})();
`;
}

function nodeFetch(request, listener) {
  const options = [`method: ${js(request.method)}`];
  const headers = Object.fromEntries(allHeaders(request));
  if (Object.keys(headers).length) options.push(`headers: ${js(headers, 4)}`);
  let before = '';
  if (request.body.kind === 'json') options.push(`body: JSON.stringify(${js(parsed(request.body), 4)})`);
  if (request.body.kind === 'multipart') {
    before = `  const body = new FormData();\n${request.body.parts.map((p) => `  body.append(${js(p.name)}, ${p.filename
      ? `new Blob([fs.readFileSync(${js(p.filename)})], { type: ${js(p.type)} }), ${js(p.filename)}` : js(p.text)});`).join('\n')}\n`;
    options.push('body');
  }
  const read = request.binary ? `fs.writeFileSync(${js(request.binary)}, Buffer.from(await answer.arrayBuffer()))` : 'console.log(answer.status, await answer.text())';
  return `// PandaDoc's client for Node has no call for this, so it is plain HTTP.
const fs = require('node:fs');

(async () => {
${before}  const answer = await fetch(${js(addressOf(request, baseOf(listener)))}, {
    ${options.join(',\n    ')},
  });
  ${read};
})();
`;
}

// py writes a JSON value as Python does.
function py(value, by = 0) {
  const pad = ' '.repeat(by);
  if (value === null) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value !== 'object') return JSON.stringify(value);
  const list = Array.isArray(value);
  const items = list ? value.map((v) => py(v, by + 4)) : Object.entries(value).map(([k, v]) => `${JSON.stringify(k)}: ${py(v, by + 4)}`);
  if (!items.length) return list ? '[]' : '{}';
  return `${list ? '[' : '{'}\n${pad}    ${items.join(`,\n${pad}    `)},\n${pad}${list ? ']' : '}'}`;
}

// pythonOf returns a program for Python, with PandaDoc's client where that has a call for the operation.
export function pythonOf(request, op, values, listener) {
  const base = baseOf(listener) + prefix(request);
  const given = sdkArguments(op, values, request);
  if (!given) return pythonPlain(request, listener);
  const module = snake(op.sdk.class);
  const fields = Object.entries(given).map(([name, value]) => `${name}=${op.sdk.dates?.includes(name) ? `datetime.fromisoformat(${py(value)})` : py(value, 8)}`);
  if (op.sdk.body) fields.push(`${snake(op.sdk.body)}=${py(parsed(request.body), 8)}`, '_check_input_type=False  # a plain dict instead of the client\'s classes');
  const args = fields.length ? `\n        ${fields.join(',\n        ')},\n    `.replace(/  # (.*),\n/, ',  # $1\n') : '';
  return `# pip install pandadoc-python-client
${op.sdk.dates ? 'from datetime import datetime\n\n' : ''}import pandadoc_client
from pandadoc_client.api import ${module}

config = pandadoc_client.Configuration(host=${py(base)}${asksKey(request) ? ', access_token="change-me"' : ''})  # the proxy${asksKey(request) ? ', and a client key of it' : ': no credentials of PandaDoc here'}
with pandadoc_client.ApiClient(config) as client:
    answer = ${module}.${op.sdk.class}(client).${snake(op.sdk.method)}(${args})
    print(answer)
`;
}

function pythonPlain(request, listener) {
  const url = addressOf(request, baseOf(listener));
  const headers = request.body.kind === 'multipart' ? request.headers.filter(([name]) => name) : allHeaders(request);
  const options = [py(url), `method=${py(request.method)}`];
  if (headers.length) options.push(`headers=${py(Object.fromEntries(headers), 4)}`);
  if (request.body.kind === 'multipart') return pythonForm(request, url, headers);
  if (request.body.kind === 'json') options.push(`data=json.dumps(${py(parsed(request.body), 4)}).encode()`);
  return `# PandaDoc's client for Python has no call for this, so it is plain HTTP.
import json
import urllib.request

request = urllib.request.Request(
    ${options.join(',\n    ')},
)
with urllib.request.urlopen(request) as answer:
    ${request.binary ? `open(${py(request.binary)}, "wb").write(answer.read())` : 'print(answer.status, answer.read().decode())'}
`;
}

function pythonForm(request, url, headers) {
  const files = request.body.parts.filter((p) => p.filename).map((p) => `${py(p.name)}: (${py(p.filename)}, open(${py(p.filename)}, "rb"), ${py(p.type)})`);
  const fields = request.body.parts.filter((p) => !p.filename).map((p) => `${py(p.name)}: ${py(p.text)}`);
  return `# PandaDoc's client for Python has no call for this, so it is plain HTTP: pip install requests
import requests

answer = requests.request(
    ${py(request.method)},
    ${py(url)},
    headers=${py(Object.fromEntries(headers), 4)},
    files={${files.join(', ')}},
    data={${fields.join(', ')}},
)
print(answer.status_code, answer.text)
`;
}
