// Single fields of a prepared form.
import * as api from '/console/api.js';
import { fill, h } from '/console/dom.js';

let counter = 0;
const mostChoices = 200; // of a list; more would make the page slow
const nextID = (name) => `f${++counter}-${name.replace(/\W/g, '')}`;

// parameterField is a labelled field for one parameter. lookup, if there is one, offers real ids:
// it resolves to [{value, label}].
export function parameterField(parameter, lookup) {
  const id = nextID(parameter.name);
  const input = inputFor(parameter, id);
  const choice = h('div.choice');
  const choose = lookup && h('button.small', { type: 'button', 'aria-label': `Choose a value for ${parameter.name}` }, 'Choose…');
  choose?.addEventListener('click', () => offer(choose, choice, lookup, (value) => {
    input.value = value;
    input.dispatchEvent(new Event('input', { bubbles: true }));
  }));
  const element = h('div.field',
    h('label', { for: id }, h('code', parameter.name), parameter.required && h('span.required', ' required')),
    h('div.with-button', input, choose), choice,
    parameter.about && h('p.fine', { id: `${id}-about` }, parameter.about));
  return { element, input, read: () => input.value.trim(), focus: () => input.focus() };
}

function inputFor(parameter, id) {
  const common = { id, name: parameter.name, 'aria-describedby': parameter.about ? `${id}-about` : null, required: parameter.required };
  const options = parameter.type === 'boolean' ? { true: 'yes', false: 'no' } : parameter.options;
  if (options) {
    return h('select', common, h('option', { value: '' }, parameter.required ? 'choose one' : 'not sent'),
      Object.entries(options).map(([value, name]) => h('option', { value }, value === name ? name : parameter.type === 'boolean' ? name : `${name} (${value})`)));
  }
  return h('input', {
    ...common, type: 'text', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none',
    inputmode: parameter.type === 'integer' ? 'numeric' : null, placeholder: parameter.example ? `like ${parameter.example}` : null,
  });
}

// offer asks the API for the existing ids, and lets the user choose one.
export async function offer(button, place, lookup, take) {
  button.disabled = true;
  try {
    const found = await lookup();
    if (!found.length) {
      fill(place, h('p.fine', { role: 'status' }, 'There is none yet.'));
      return;
    }
    const shown = found.slice(0, mostChoices);
    const count = shown.length < found.length ? `${shown.length} of ${found.length}` : `${found.length} found`;
    const select = h('select', { 'aria-label': 'Choose one of these' }, h('option', { value: '' }, `${count}: choose one`),
      shown.map((f) => h('option', { value: f.value }, f.label)));
    select.addEventListener('change', () => select.value && take(select.value));
    fill(place, select);
    select.focus();
  } catch (error) {
    fill(place, h('p.field-problem', { role: 'alert' }, error.message));
  } finally {
    button.disabled = false;
  }
}

// lookupFor returns a function that finds the ids of one kind with a list request through the proxy. If the
// list needs other values, resolve takes them from the form.
export function lookupFor(list, resolve, account) {
  return async () => {
    const as = account();
    const path = list.path.replace(/\{(\w+)\}/g, (_, kind) => {
      const value = resolve(kind);
      if (!value) throw new Error(`Choose the ${kind.replaceAll('_', ' ')} first.`);
      return encodeURIComponent(value);
    });
    const answer = await api.test({ account: as, method: 'GET', target: path, headers: { Accept: 'application/json' } });
    if (account() !== as) throw new Error('Another account was chosen meanwhile: choose again.');
    if (answer.status !== 200) throw new Error(`The list could not be read: ${answer.status}.`);
    const all = list.items.split('.').filter(Boolean).reduce((v, key) => v?.[key], parsed(answer.body));
    return (Array.isArray(all) ? all : []).filter((item) => isText(item?.[list.value]))
      .map((item) => ({ value: item[list.value], label: labelOf(item, list) }));
  };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('The list could not be read: the answer is not JSON.');
  }
}

// isText tells an id or a name from whatever else an API may send.
const isText = (value) => (typeof value === 'string' && value !== '') || typeof value === 'number';

const longest = 80; // characters of a name

// plain makes one line of a name that anybody could have given: no control characters, nothing that turns the
// direction of the text, no more than a line.
function plain(name) {
  const text = [...String(name).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')];
  return text.length > longest ? `${text.slice(0, longest).join('')}…` : text.join('');
}

function labelOf(item, list) {
  const label = plain(isText(item[list.label]) ? item[list.label] : item[list.value]);
  return isText(item.status) ? `${label}, ${plain(item.status).replace('document.', '')}` : label;
}

// jsonField edits JSON and shows where it is invalid. Placeholders like {template} stand for ids that the user
// must fill in: lookups has a lookup for each.
export function jsonField(label, example, lookups, examples = []) {
  const id = nextID('body');
  const start = JSON.stringify(example, null, 2);
  const area = h('textarea.code', { id, name: label, spellcheck: 'false', autocapitalize: 'none', rows: Math.min(32, Math.max(4, start.split('\n').length)), value: start, 'aria-describedby': `${id}-problem` });
  const problem = h('p.field-problem', { id: `${id}-problem`, role: 'status' });
  const check = () => {
    const error = jsonError(area.value);
    problem.textContent = error;
    area.setAttribute('aria-invalid', String(error !== ''));
    return error;
  };
  const set = (text) => {
    area.value = text;
    area.dispatchEvent(new Event('input', { bubbles: true }));
  };
  area.addEventListener('input', check);
  const element = h('div.field',
    h('div.label-row', h('label', { for: id }, label),
      h('span.buttons',
        h('button.small', { type: 'button', onclick: () => { if (!check()) set(JSON.stringify(JSON.parse(area.value), null, 2)); } }, 'Format'),
        examples.length > 1 ? exampleChoice(examples, set) : h('button.small', { type: 'button', onclick: () => set(start) }, 'Example'))),
    area, problem,
    Object.entries(lookups).map(([kind, lookup]) => placeholder(kind, lookup, area, set)));
  return { element, read: () => area.value, problem: () => check() || leftOver(area.value, lookups), focus: () => area.focus() };
}

// exampleChoice is for bodies that mean quite different things.
function exampleChoice(examples, set) {
  const select = h('select.small', { 'aria-label': 'Example' }, h('option', { value: '' }, 'Examples'), examples.map((e, i) => h('option', { value: i }, e.name)));
  select.addEventListener('change', () => {
    if (select.value !== '') set(JSON.stringify(examples[select.value].value, null, 2));
    select.value = '';
  });
  return select;
}

function leftOver(text, lookups) {
  const kind = Object.keys(lookups).find((k) => text.includes(`{${k}}`));
  return kind ? `Choose a ${kind.replaceAll('_', ' ')} for the body first: its id replaces {${kind}}.` : '';
}

function placeholder(kind, lookup, area, set) {
  let current = `{${kind}}`;
  const name = kind.replaceAll('_', ' ');
  const place = h('div.choice');
  const button = h('button.small', { type: 'button' }, `Choose a ${name}…`);
  button.addEventListener('click', () => offer(button, place, lookup, (value) => {
    if (!area.value.includes(current)) current = `{${kind}}`;
    set(area.value.replaceAll(current, value));
    current = value;
  }));
  return h('div.placeholder', h('p', h('code', `{${kind}}`), ' stands for the id of a ', name, '. ', button), place);
}

function jsonError(text) {
  try {
    JSON.parse(text);
    return '';
  } catch (error) {
    return `This is not JSON: ${error.message}`;
  }
}
