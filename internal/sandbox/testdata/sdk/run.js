// Uses PandaDoc's official Node client in the usual way, every method of its APIs at least once. Nothing
// is set but the base URL: behind the proxy a client has no credential. The token endpoint is called at
// the emulator itself, because the proxy does not forward it.
//
//   node run.js http://127.0.0.1:8080 http://127.0.0.1:40001
'use strict';

const assert = require('node:assert/strict');
const pd = require('pandadoc-node-client');

const [base, emulator] = process.argv.slice(2);
const config = pd.createConfiguration({ baseServer: new pd.ServerConfiguration(base, {}) });

// called notes which methods were used; all is what the client has.
const called = new Set();
const all = Object.keys(pd).filter((name) => /Api$/.test(name) && pd[name].prototype)
  .flatMap((name) => Object.getOwnPropertyNames(pd[name].prototype).filter((m) => m !== 'constructor').map((m) => `${name}.${m}`));

function api(name, configuration = config) {
  return new Proxy(new pd[name](configuration), {
    get(target, method) {
      called.add(`${name}.${String(method)}`);
      return target[method].bind(target);
    },
  });
}

const members = api('MembersApi');
const documents = api('DocumentsApi');
const templates = api('TemplatesApi');
const attachments = api('DocumentAttachmentsApi');
const recipients = api('DocumentRecipientsApi');
const contacts = api('ContactsApi');
const folders = api('FoldersAPIApi');
const webhooks = api('WebhookSubscriptionsApi');
const library = api('ContentLibraryItemsApi');
const logs = api('APILogsApi');
const forms = api('FormsApi');
const quotes = api('QuotesApi');
const sections = api('SectionsApi');
const people = api('UserAndWorkspaceManagementApi');
const events = api('WebhookEventsApi');
const oauth = api('OAuth20AuthenticationApi', pd.createConfiguration({ baseServer: new pd.ServerConfiguration(emulator, {}) }));

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function refused(code, call) {
  const error = await call().then(() => assert.fail(`no error, want ${code}`), (e) => e);
  assert.equal(error.code, code, String(error));
  return error;
}

async function until(what, check) {
  for (let i = 0; i < 50; i++) {
    const result = await check();
    if (result) return result;
    await pause(200);
  }
  return assert.fail(`${what}: waited in vain`);
}

const steps = {
  async 'who am I'() {
    const me = await members.detailsCurrentMember();
    assert.match(me.email, /@/);
    assert.ok(me.membershipId);
    assert.ok((await members.listMembers()).results.length > 0);
    assert.equal((await members.detailsMember({ id: me.membershipId })).email, me.email);
  },
  async 'list documents, with filters and pages'() {
    const all = (await documents.listDocuments({ count: 100 })).results;
    assert.ok(all.length >= 8);
    const paged = (await documents.listDocuments({ count: 2, page: 2, orderBy: 'name' })).results;
    assert.equal(paged.length, 2);
    const drafts = (await documents.listDocuments({ status: 0, tag: 'sample' })).results;
    assert.ok(drafts.every((d) => d.status === 'document.draft'));
  },
  async 'a webhook that hears of what follows'(saved) {
    const hook = await webhooks.createWebhookSubscription({
      webhookSubscriptionCreateRequest: { name: 'hook', url: 'https://hooks.example/in', triggers: ['document_state_changed'], payload: ['fields'] },
    });
    assert.ok(hook.sharedKey);
    saved.hook = hook.uuid;
    assert.ok((await webhooks.listWebhookSubscriptions()).items.some((h) => h.uuid === hook.uuid));
    assert.equal((await webhooks.detailsWebhookSubscription({ id: hook.uuid })).name, 'hook');
    assert.equal((await webhooks.updateWebhookSubscription({ id: hook.uuid, webhookSubscriptionPatchRequest: { name: 'renamed' } })).name, 'renamed');
    assert.notEqual((await webhooks.updateWebhookSubscriptionSharedKey({ id: hook.uuid })).sharedKey, hook.sharedKey);
  },
  async 'create, wait for draft, send'(saved) {
    const list = await templates.listTemplates({ count: 1 });
    const details = await templates.detailsTemplate({ id: list.results[0].id });
    const made = await documents.createDocument({
      documentCreateRequest: {
        name: 'From the official client',
        templateUuid: list.results[0].id,
        recipients: [{ email: 'kim@customer.example', firstName: 'Kim', lastName: 'Customer', role: details.roles[0].name }],
        tokens: [{ name: 'Client.Company', value: 'Customer Ltd' }],
        metadata: { order: '4711' },
        tags: ['sdk'],
      },
    });
    assert.equal(made.status, 'document.uploaded');
    saved.id = made.id;
    await until('draft', async () => (await documents.statusDocument({ id: made.id })).status === 'document.draft');
    await documents.updateDocument({ id: made.id, documentUpdateRequest: { name: 'Renamed' } });
    const draft = await documents.detailsDocument({ id: made.id });
    const quote = await quotes.quoteUpdate({
      documentId: made.id, quoteId: draft.pricing.quotes[0].id,
      quoteUpdateRequest: { currency: 'EUR', sections: [{ name: 'Services', items: [{ name: 'Hour', price: 12.5, qty: 4, options: { qtyEditable: false } }] }] },
    });
    assert.equal(quote.total, '50.00');
    const upload = await sections.uploadSection({
      documentId: made.id, uploadSectionRequest: { name: 'Annex', url: 'https://files.example/annex.pdf', recipients: [] },
    });
    await until('section', async () => (await sections.sectionDetails({ documentId: made.id, uploadId: upload.uuid })).status === 'document_sections_upload.PROCESSED');
    const [section] = (await sections.listSections({ documentId: made.id })).results;
    assert.equal((await sections.sectionInfo({ documentId: made.id, sectionId: section.uuid })).name, 'Annex');
    const sent = await documents.sendDocument({ id: made.id, documentSendRequest: { subject: 'Please sign', message: 'Hello', silent: true } });
    assert.equal(sent.status, 'document.sent');
    const full = await documents.detailsDocument({ id: made.id });
    assert.equal(full.metadata.order, '4711');
    assert.equal(full.recipients[0].email, 'kim@customer.example');
    assert.equal(full.name, 'Renamed');
  },
  async 'recipients and links to a CRM'(saved) {
    const { recipients: list } = await documents.detailsDocument({ id: saved.id });
    await recipients.editDocumentRecipient({ id: saved.id, recipientId: list[0].id, documentRecipientEditRequest: { firstName: 'Kimberly' } });
    const link = await documents.createLinkedObject({ id: saved.id, linkedObjectCreateRequest: { provider: 'crm', entityType: 'deal', entityId: '7' } });
    assert.equal((await documents.listLinkedObjects({ id: saved.id })).linkedObjects.length, 1);
    await documents.deleteLinkedObject({ id: saved.id, linkedObjectId: link.id });
    const contact = await contacts.createContact({ contactCreateRequest: { email: `cc${Date.now()}@customer.example` } });
    const copy = await recipients.addDocumentRecipient({ id: saved.id, documentRecipientCreateRequest: { id: contact.id, kind: 'contact' } });
    assert.ok((await recipients.reassignDocumentRecipient({ id: saved.id, recipientId: copy.recipientId, documentRecipientCreateRequest: { id: contact.id, kind: 'contact' } })).recipientId);
    await recipients.deleteDocumentRecipient({ id: saved.id, recipientId: copy.recipientId });
    const session = await documents.createDocumentLink({ id: saved.id, documentCreateLinkRequest: { recipient: list[0].email, lifetime: 900 } });
    assert.ok(session.id);
  },
  async 'download'(saved) {
    const file = await until('download', async () => {
      try {
        return await documents.downloadDocument({ id: saved.id });
      } catch (e) {
        if (e.code !== undefined) throw e;
        return null; // 202, not ready: this client is older than that answer and cannot read it
      }
    });
    assert.equal(file.data.subarray(0, 5).toString(), '%PDF-');
    assert.match(file.name, /\.pdf/);
  },
  async 'attach, read back, remove'(saved) {
    const data = Buffer.alloc(300_000, 'attachment ');
    const made = await attachments.createDocumentAttachment({ id: saved.id, file: { data, name: 'note.txt' } });
    assert.equal((await attachments.listDocumentAttachments({ id: saved.id })).length, 1);
    assert.equal((await attachments.detailsDocumentAttachment({ id: saved.id, attachmentId: made.uuid })).uuid, made.uuid);
    const back = await attachments.downloadDocumentAttachment({ id: saved.id, attachmentId: made.uuid });
    assert.ok(data.equals(back.data));
    await attachments.deleteDocumentAttachment({ id: saved.id, attachmentId: made.uuid });
  },
  async 'contacts, folders, webhook events, library, logs, forms'(saved) {
    const contact = await contacts.createContact({ contactCreateRequest: { email: `sdk${Date.now()}@customer.example`, company: 'Customer Ltd' } });
    await contacts.updateContact({ id: contact.id, contactUpdateRequest: { city: 'Berlin' } });
    assert.equal((await contacts.detailsContact({ id: contact.id })).city, 'Berlin');
    await contacts.deleteContact({ id: contact.id });
    const folder = await folders.createDocumentFolder({ documentsFolderCreateRequest: { name: 'From the client' } });
    assert.equal((await folders.renameDocumentFolder({ id: folder.uuid, documentsFolderRenameRequest: { name: 'Renamed' } })).name, 'Renamed');
    assert.ok((await folders.listDocumentFolders()).results.length > 0);
    assert.ok((await contacts.listContacts({ email: 'kim@customer.example' })).results.length === 1);
    const shelf = await folders.createTemplateFolder({ templatesFolderCreateRequest: { name: 'From the client' } });
    assert.equal((await folders.renameTemplateFolder({ id: shelf.uuid, templatesFolderRenameRequest: { name: 'Renamed' } })).name, 'Renamed');
    assert.ok((await folders.listTemplateFolders()).results.length > 0);
    await documents.documentMoveToFolder({ id: saved.id, folderId: folder.uuid });
    const [event] = (await events.listWebhookEvent({ count: 10, page: 1 })).items;
    assert.equal((await events.detailsWebhookEvent({ id: event.uuid })).type, 'document_state_changed');
    await webhooks.deleteWebhookSubscription({ id: saved.hook });
    const items = (await library.listContentLibraryItems()).results;
    assert.ok((await library.detailsContentLibraryItem({ id: items[0].id })).name);
    const entries = (await logs.listLogs({ count: 5 })).results;
    assert.equal(entries.length, 5);
    assert.equal((await logs.detailsLog({ id: entries[0].id })).url, entries[0].url);
    assert.ok((await forms.listForm()).results.length > 0);
  },
  async 'people and workspaces'(saved) {
    const me = await members.detailsCurrentMember();
    const place = await people.createWorkspace({ createWorkspaceRequest: { name: 'From the client' } });
    const newcomer = await people.createUser({
      createUserRequest: { user: { email: `new${Date.now()}@customer.example` }, license: 'Full', workspaces: [{ workspaceId: me.workspace, role: 'Member' }] },
    });
    assert.equal((await people.addMember({ workspaceId: place.id, addMemberRequest: { userId: newcomer.userId, role: 'Member' } })).role, 'Member');
    const colleague = (await members.listMembers()).results.find((m) => m.userId === newcomer.userId).membershipId;
    await documents.transferDocumentOwnership({ id: saved.id, documentTransferOwnershipRequest: { membershipId: colleague } });
    await documents.transferAllDocumentsOwnership({
      documentTransferAllOwnershipRequest: { fromMembershipId: colleague, toMembershipId: me.membershipId },
    });
    await documents.changeDocumentStatus({ id: saved.id, documentStatusChangeRequest: { status: 2, note: 'on paper' } });
    const refusedCode = await refused(400, () => oauth.accessToken({ grantType: 'authorization_code', clientId: 'x', clientSecret: 'x', code: 'x' }));
    assert.match(JSON.stringify(refusedCode.body), /invalid_/);
  },
  async 'errors'(saved) {
    const missing = await refused(404, () => documents.statusDocument({ id: 'nothing' }));
    assert.equal(missing.body.type, 'request_error');
    const twice = await refused(409, () => documents.sendDocument({ id: saved.id, documentSendRequest: {} }));
    assert.equal(twice.body.status, 'document.completed');
    const invalid = await refused(400, () => documents.createDocument({ documentCreateRequest: { name: 'x' } }));
    assert.equal(invalid.body.type, 'validation_error');
    const sealed = await refused(401, () => documents.downloadProtectedDocument({ id: saved.id }));
    assert.equal(sealed.body.type, 'authentication_error');
  },
  async 'delete'(saved) {
    await documents.deleteDocument({ id: saved.id });
    await refused(404, () => documents.statusDocument({ id: saved.id }));
    const [template] = (await templates.listTemplates({ count: 1 })).results;
    await templates.deleteTemplate({ id: template.id });
  },
};

(async () => {
  const saved = {};
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step(saved);
      console.log(`ok ${name}`);
    } catch (e) {
      console.error(`FAILED ${name}:`, e);
      process.exit(1);
    }
  }
  const missing = all.filter((name) => !called.has(name));
  assert.deepEqual(missing, [], 'methods that were not called');
  console.log(`${all.length} of ${all.length} methods called in ${Object.keys(steps).length} steps`);
})();
