// The form of one operation: its fields, and the request that they make.
import { fill, h, remembered } from '/console/dom.js';
import { jsonField, lookupFor, parameterField } from '/console/field.js';
import { sampleFile } from '/console/sample.js';

const openQueries = 6; // more than these are folded away

// prepare makes the form of op. accounts are the names to choose from.
export function prepare(op, catalogue, accounts) {
  const account = accounts.length > 1 ? accountField(accounts) : null;
  const chosen = () => account?.read() ?? accounts[0] ?? 'default';
  const path = [];
  // What was offered belongs to the account that was chosen then.
  account?.element.addEventListener('change', () => element.querySelectorAll('.choice').forEach((place) => fill(place)));
  const resolve = (kind) => path.find((f) => f.parameter.list === kind)?.read();
  const lookup = (kind) => (catalogue.lists[kind] ? lookupFor(catalogue.lists[kind], resolve, chosen) : null);
  for (const parameter of op.path_params ?? []) path.push({ parameter, ...parameterField({ ...parameter, required: true }, lookup(parameter.list)) });
  const query = (op.query ?? []).map((parameter) => ({ parameter, ...parameterField(parameter, lookup(parameter.list)) }));
  const headers = headerFields(op);
  const body = bodyFields(op, lookup);
  const element = h('div.fields',
    account?.element,
    path.length > 0 && group('Path', path.map((f) => f.element)),
    query.length > 0 && queryGroup(query),
    body?.element && group('Body', body.element),
    h('details.group', h('summary', 'Headers'), headers.element));
  const inputs = () => [...element.querySelectorAll('input[name], select[name], textarea[name]')].filter((i) => i.type !== 'file');
  const state = () => inputs().map((i) => [i.name, i.value]);
  const save = () => {
    remembered.write(`form-${op.number}`, state());
    if (account) remembered.write('account', account.read());
  };
  // restore brings back what was typed here before, and the account that was chosen on any page.
  const restore = () => {
    const before = remembered.read(`form-${op.number}`, []);
    inputs().forEach((i, n) => { if (before[n]?.[0] === i.name) i.value = before[n][1]; });
    account?.choose(remembered.read('account', ''));
  };
  restore();
  return {
    element, state, save, restore,
    // read returns {request, values}; problem says what is missing, with the field to go to.
    read() {
      const values = {
        path: Object.fromEntries(path.map((f) => [f.parameter.name, f.read()])),
        query: Object.fromEntries(query.map((f) => [f.parameter.name, queryValues(f)]).filter(([, v]) => v.length)),
      };
      return { values, request: { account: chosen(), method: op.method, target: targetOf(op, values), headers: headers.read(), body: body?.read() ?? { kind: 'none' }, binary: fileName(op) } };
    },
    problem() {
      for (const f of [...path, ...query.filter((q) => q.parameter.required)]) {
        if (!f.read()) return { text: `${f.parameter.name} is missing.`, focus: f.focus };
      }
      const text = body?.problem() ?? '';
      return text ? { text, focus: body.focus } : null;
    },
  };
}

const group = (title, ...content) => h('fieldset.group', h('legend', title), content);

function queryGroup(query) {
  if (query.length <= openQueries) return group('Query', h('div.grid', query.map((f) => f.element)));
  const count = h('span.count');
  const details = h('details.group', h('summary', `Query, ${query.length} parameters`, count), h('div.grid', query.map((f) => f.element)));
  details.addEventListener('input', () => {
    const set = query.filter((f) => f.read()).length;
    count.textContent = set ? `, ${set} set` : '';
  });
  return details;
}

function queryValues(field) {
  const text = field.read();
  if (!text) return [];
  return field.parameter.repeat ? text.split(',').map((t) => t.trim()).filter(Boolean) : [text];
}

// targetOf builds path and query as they go on the wire. A path of the catalogue can have a bare query
// key, like ?upload, which must stay bare.
function targetOf(op, values) {
  const target = op.path.replace(/\{(\w+)\}/g, (whole, name) => (values.path[name] ? encodeURIComponent(values.path[name]) : whole));
  const pairs = Object.entries(values.query).flatMap(([name, list]) => list.map((v) => `${encodeURIComponent(name)}=${encodeURIComponent(v)}`));
  if (!pairs.length) return target;
  return target + (target.includes('?') ? '&' : '?') + pairs.join('&');
}

// fileName is the name under which the answer is saved, if it is a file.
function fileName(op) {
  const kinds = op.answers.map((a) => a.body);
  if (kinds.includes('pdf')) return 'document.pdf';
  return kinds.includes('file') ? 'download' : '';
}

function accountField(accounts) {
  const select = h('select', { id: 'try-account' }, accounts.map((name) => h('option', { value: name }, name)));
  return { element: h('div.field', h('label', { for: 'try-account' }, 'Account'), select), read: () => select.value, choose: (name) => { if (accounts.includes(name)) select.value = name; } };
}

function headerFields(op) {
  const rows = h('div.header-rows');
  const add = (name = '', value = '') => {
    const number = rows.children.length + 1;
    const row = h('div.header-row',
      h('input', { type: 'text', value: name, 'aria-label': `Name of header ${number}`, placeholder: 'Name', spellcheck: 'false', autocapitalize: 'none', autocomplete: 'off' }),
      h('input', { type: 'text', value, 'aria-label': `Value of header ${number}`, placeholder: 'Value', spellcheck: 'false', autocapitalize: 'none', autocomplete: 'off' }),
      h('button.small', {
        type: 'button', 'aria-label': `Remove header ${number}`,
        onclick: () => {
          row.remove();
          rows.dispatchEvent(new Event('input', { bubbles: true }));
        },
      }, 'Remove'));
    rows.append(row);
    return row;
  };
  if (!fileName(op) && op.answers.some((a) => a.body === 'json')) add('Accept', 'application/json');
  const button = h('button.small', { type: 'button', onclick: () => add().firstChild.focus() }, 'Add a header');
  return {
    element: h('div', rows, button, h('p.fine', 'Do not set Authorization: the proxy replaces it.')),
    read: () => [...rows.children].map((row) => [...row.querySelectorAll('input')].map((i) => i.value.trim())).filter(([name]) => name),
  };
}

function bodyFields(op, lookup) {
  if (op.body?.kind === 'json') {
    const json = jsonField('JSON', op.body.example, lookupsIn(op.body.example, lookup), op.body.examples);
    return { ...json, element: [json.element, knownFields(op.body.fields ?? [])], read: () => ({ kind: 'json', text: json.read() }) };
  }
  if (op.body?.kind === 'multipart') return formFields(op.body.parts, lookup);
  return null;
}

// knownFields lists what a JSON body can have.
function knownFields(fields) {
  return fields.length > 0 && h('details.group', h('summary', fields.length === 1 ? 'Its field' : `Its ${fields.length} fields`),
    h('dl.known', fields.map((f) => h('div', h('dt', h('code', f.name)),
      h('dd', [f.required && 'required', f.options ? `one of ${f.options.join(', ')}` : f.type].filter(Boolean).join(', ') || 'optional')))));
}

function lookupsIn(example, lookup) {
  const kinds = [...JSON.stringify(example).matchAll(/\{(\w+)\}/g)].map((m) => m[1]);
  return Object.fromEntries([...new Set(kinds)].map((kind) => [kind, lookup(kind)]).filter(([, l]) => l));
}

function formFields(parts, lookup) {
  const fields = parts.map((part) => (part.filename ? filePart(part) : textPart(part, lookup)));
  return {
    element: fields.map((f) => f.element),
    read: () => ({ kind: 'multipart', parts: fields.map((f) => f.read()) }),
    problem: () => fields.map((f) => f.problem?.() ?? '').find(Boolean) ?? '',
    focus: () => fields.find((f) => f.problem?.())?.focus(),
  };
}

function filePart(part) {
  const id = `file-${part.name}`;
  const input = h('input', { type: 'file', id, 'aria-describedby': `${id}-about` });
  const file = () => input.files[0] ?? sampleFile(part.filename, part.type);
  return {
    element: h('div.field', h('label', { for: id }, h('code', part.name)), input,
      h('p.fine', { id: `${id}-about` }, `${part.about}. If you choose no file, a sample with the name ${part.filename} is sent.`)),
    read: () => ({ name: part.name, filename: file().name, type: file().type || 'application/octet-stream', file: file() }),
  };
}

function textPart(part, lookup) {
  if (part.type === 'text/plain') {
    const field = parameterField({ name: part.name, about: part.about, example: part.example });
    return { ...field, read: () => ({ name: part.name, text: field.read() || part.example }) };
  }
  const json = jsonField(part.name, part.example, lookupsIn(part.example, lookup));
  return { ...json, read: () => ({ name: part.name, text: json.read() }) };
}
