// The prepared request as text for other programs, in tabs.
import { baseOf, conductorOf, curlOf, nodeOf, pythonOf, simworkflowOf } from '/console/copy.js';
import { csharpOf, phpOf, powershellOf } from '/console/copylanguages.js';
import { copyButton, fill, h, remembered } from '/console/dom.js';

const shownUpTo = 20_000; // characters; more would make typing slow
const publicKey = 'pandadoc-auth-proxy.public-address';

// publicAddress is the public address that was typed last. Browsers may deny storage.
function publicAddress() {
  try {
    return localStorage.getItem(publicKey) || 'https://pandadoc-proxy.example.com';
  } catch {
    return 'https://pandadoc-proxy.example.com';
  }
}

function rememberAddress(address) {
  try {
    localStorage.setItem(publicKey, address);
  } catch { /* then it is typed again next time */ }
}

// marked highlights the values that must still be filled in.
const marked = (text, open) => (open.length ? text.split(new RegExp(`(${open.map((o) => o.replace(/[{}]/g, '\\$&')).join('|')})`)).map((part) => (open.includes(part) ? h('mark', part) : part)) : text);

// copyPanel shows op's request in every language. listener() is the proxy's address.
export function copyPanel(op, listener) {
  let current = null;
  let chosen = 0; // index in forms
  const address = h('input', { type: 'url', id: 'public-address', value: publicAddress(), spellcheck: 'false' });
  const forms = [
    { name: 'curl', make: (r) => ({ text: curlOf(r, listener()), note: r.body.kind === 'multipart' ? 'The files are read from the current directory.' : '' }) },
    { name: 'PowerShell', make: (r) => powershellOf(r, listener()) },
    { name: 'SimWorkflow', make: (r) => simworkflowOf(r, op.title, address.value), extra: h('div.field', h('label', { for: 'public-address' }, 'Public address of this proxy'), address) },
    { name: 'Conductor', make: (r) => conductorOf(r, op.title, listener()) },
    { name: 'Node', make: (r, v) => ({ text: nodeOf(r, op, v, listener()) }) },
    { name: 'Python', make: (r, v) => ({ text: pythonOf(r, op, v, listener()) }) },
    { name: 'PHP', make: (r) => phpOf(r, listener()) },
    { name: 'C#', make: (r) => csharpOf(r, listener()) },
  ];
  const tabs = forms.map((f, i) => h('button', { type: 'button', role: 'tab', id: `tab-${i}`, 'aria-controls': 'copy-text', onclick: () => choose(i) }, f.name));
  let whole = ''; // what is copied, of which the page may show only the beginning
  const pre = h('pre', { tabindex: 0, 'aria-label': 'The request as text' });
  const note = h('p.fine');
  const extra = h('div');
  const panel = h('div', { id: 'copy-text', role: 'tabpanel' }, extra, h('div.copyable', pre, copyButton(() => whole)), note);
  const bar = h('div.tabs', { role: 'tablist', 'aria-label': 'Copy as' }, tabs);
  bar.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    choose((chosen + step + forms.length) % forms.length);
    tabs[chosen].focus();
    event.preventDefault();
  });
  address.addEventListener('input', () => {
    rememberAddress(address.value);
    render();
  });
  function choose(i) {
    chosen = i;
    remembered.write('copy-as', forms[i].name);
    fill(extra, forms[i].extra);
    render();
  }
  function render() {
    tabs.forEach((tab, i) => {
      tab.setAttribute('aria-selected', String(i === chosen));
      tab.tabIndex = i === chosen ? 0 : -1;
    });
    panel.setAttribute('aria-labelledby', `tab-${chosen}`);
    if (!current) return;
    const made = forms[chosen].make(current.request, current.values);
    const open = [...new Set(current.request.target.match(/\{\w+\}/g) ?? [])];
    whole = made.text;
    fill(pre, marked(whole.slice(0, shownUpTo), open));
    pre.parentElement.hidden = !whole;
    note.textContent = [whole.length > shownUpTo && 'This is only the beginning. Copy copies the whole text.', open.length > 0 && `Still to fill in: ${open.join(', ')}.`, made.note].filter(Boolean).join(' ');
  }
  choose(Math.max(0, forms.findIndex((f) => f.name === remembered.read('copy-as', 'curl'))));
  return {
    element: h('section.copy', { 'aria-labelledby': 'copy-title' }, h('h2', { id: 'copy-title' }, 'Copy as'),
      h('p.fine', 'The proxy’s address is ', h('code', baseOf(listener())), '.'), bar, panel),
    show(read) {
      current = read;
      render();
    },
  };
}
