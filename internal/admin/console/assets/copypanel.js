// The prepared request as text for other programs, in tabs.
import { baseOf, conductorOf, curlOf, nodeOf, pythonOf, simworkflowOf } from '/console/copy.js';
import { copyButton, fill, h } from '/console/dom.js';

const publicKey = 'pandadoc-auth-proxy.public-address';

// remembered is the public address that was last typed. Browsers may deny storage.
function remembered() {
  try {
    return localStorage.getItem(publicKey) || 'https://pandadoc-proxy.example.com';
  } catch {
    return 'https://pandadoc-proxy.example.com';
  }
}

function remember(address) {
  try {
    localStorage.setItem(publicKey, address);
  } catch { /* then it is typed again next time */ }
}

// copyPanel shows op's request in every form. listener() is the proxy's address.
export function copyPanel(op, listener) {
  let current = null;
  let chosen = 0;
  const address = h('input', { type: 'url', id: 'public-address', value: remembered(), spellcheck: 'false' });
  const forms = [
    { name: 'curl', make: (r) => ({ text: curlOf(r, listener()), note: r.body.kind === 'multipart' ? 'The files are read from the directory that you run it in.' : '' }) },
    { name: 'SimWorkflow', make: (r) => simworkflowOf(r, op.title, address.value), extra: h('div.field', h('label', { for: 'public-address' }, 'Public address of this proxy'), address) },
    { name: 'Conductor', make: (r) => conductorOf(r, op.title, listener()) },
    { name: 'Node', make: (r, v) => ({ text: nodeOf(r, op, v, listener()) }) },
    { name: 'Python', make: (r, v) => ({ text: pythonOf(r, op, v, listener()) }) },
  ];
  const tabs = forms.map((f, i) => h('button', { type: 'button', role: 'tab', id: `tab-${i}`, 'aria-controls': 'copy-text', onclick: () => choose(i) }, f.name));
  const pre = h('pre', { tabindex: 0, 'aria-label': 'The request as text' });
  const note = h('p.fine');
  const extra = h('div');
  const panel = h('div', { id: 'copy-text', role: 'tabpanel' }, extra, h('div.copyable', pre, copyButton(() => pre.textContent)), note);
  const bar = h('div.tabs', { role: 'tablist', 'aria-label': 'Copy as' }, tabs);
  bar.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    choose((chosen + step + forms.length) % forms.length);
    tabs[chosen].focus();
    event.preventDefault();
  });
  address.addEventListener('input', () => {
    remember(address.value);
    render();
  });
  function choose(i) {
    chosen = i;
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
    pre.textContent = made.text;
    pre.parentElement.hidden = !made.text;
    note.textContent = made.note ?? '';
  }
  choose(0);
  return {
    element: h('section.copy', { 'aria-labelledby': 'copy-title' }, h('h2', { id: 'copy-title' }, 'Copy as'),
      h('p.fine', 'The proxy’s address is ', h('code', baseOf(listener())), '.'), bar, panel),
    show(read) {
      current = read;
      render();
    },
  };
}
