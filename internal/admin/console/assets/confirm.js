// Asks for confirmation before a request that changes something is sent.
import { h } from '/console/dom.js';
import { environmentName } from '/console/words.js';

// confirmSending resolves to true if the user confirms.
export function confirmSending(op, request, status) {
  const send = h('button', { type: 'submit', value: 'send', class: request.method === 'DELETE' ? 'primary danger' : 'primary' }, `Send the ${request.method}`);
  const dialog = h('dialog.confirm', { 'aria-labelledby': 'confirm-title', 'aria-describedby': 'confirm-text' },
    h('form', { method: 'dialog' },
      h('h2', { id: 'confirm-title' }, `${op.title}?`),
      h('div', { id: 'confirm-text' },
        h('p', h('span', { class: `environment environment-${status.environment}` }, environmentName(status))),
        h('p', status.environment === 'emulator' ? 'This goes to the emulator: no real data changes. It is sent as account ' : `This is a real request. It changes data at ${environmentName(status)}, as account `,
          h('strong', request.account), '.'),
        op.warning && h('p.warning', op.warning)),
      h('p.path', h('span', { class: `method method-${request.method}` }, request.method), ' ', h('code', request.target)),
      h('div.actions', send, h('button', { type: 'submit', value: 'cancel', autofocus: true }, 'Cancel'))));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'send');
    });
  });
}
