// Uses PandaDoc's official Node client in the usual way. Nothing is set but the base URL and, if there
// is a second argument, an access token: behind the proxy a client has none.
//
//   node run.js http://127.0.0.1:8080 [ACCESS_TOKEN]
'use strict';

const assert = require('node:assert/strict');
const pd = require('pandadoc-node-client');

const [base, accessToken] = process.argv.slice(2);
const config = pd.createConfiguration({
  baseServer: new pd.ServerConfiguration(base, {}),
  ...(accessToken ? { authMethods: { oauth2: { accessToken } } } : {}),
});
const members = new pd.MembersApi(config);
const documents = new pd.DocumentsApi(config);
const templates = new pd.TemplatesApi(config);
const attachments = new pd.DocumentAttachmentsApi(config);
const recipients = new pd.DocumentRecipientsApi(config);
const contacts = new pd.ContactsApi(config);
const folders = new pd.FoldersAPIApi(config);
const webhooks = new pd.WebhookSubscriptionsApi(config);
const library = new pd.ContentLibraryItemsApi(config);
const logs = new pd.APILogsApi(config);
const forms = new pd.FormsApi(config);

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
  },
  async 'list documents, with filters and pages'() {
    const all = (await documents.listDocuments({ count: 100 })).results;
    assert.ok(all.length >= 8);
    const paged = (await documents.listDocuments({ count: 2, page: 2, orderBy: 'name' })).results;
    assert.equal(paged.length, 2);
    const drafts = (await documents.listDocuments({ status: 0, tag: 'sample' })).results;
    assert.ok(drafts.every((d) => d.status === 'document.draft'));
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
    const back = await attachments.downloadDocumentAttachment({ id: saved.id, attachmentId: made.uuid });
    assert.ok(data.equals(back.data));
    await attachments.deleteDocumentAttachment({ id: saved.id, attachmentId: made.uuid });
  },
  async 'contacts, folders, webhooks, library, logs, forms'() {
    const contact = await contacts.createContact({ contactCreateRequest: { email: `sdk${Date.now()}@customer.example`, company: 'Customer Ltd' } });
    await contacts.updateContact({ id: contact.id, contactUpdateRequest: { city: 'Berlin' } });
    assert.equal((await contacts.detailsContact({ id: contact.id })).city, 'Berlin');
    await contacts.deleteContact({ id: contact.id });
    const folder = await folders.createDocumentFolder({ documentsFolderCreateRequest: { name: 'From the client' } });
    assert.equal((await folders.renameDocumentFolder({ id: folder.uuid, documentsFolderRenameRequest: { name: 'Renamed' } })).name, 'Renamed');
    assert.ok((await folders.listDocumentFolders()).results.length > 0);
    const hook = await webhooks.createWebhookSubscription({
      webhookSubscriptionCreateRequest: { name: 'hook', url: 'https://hooks.example/in', triggers: ['document_state_changed'], payload: ['fields'] },
    });
    assert.ok(hook.sharedKey);
    assert.ok((await webhooks.listWebhookSubscriptions()).items.some((h) => h.uuid === hook.uuid));
    await webhooks.deleteWebhookSubscription({ id: hook.uuid });
    const items = (await library.listContentLibraryItems()).results;
    assert.ok((await library.detailsContentLibraryItem({ id: items[0].id })).name);
    assert.ok((await logs.listLogs({ count: 5 })).results.length === 5);
    assert.ok((await forms.listForm()).results.length > 0);
  },
  async 'errors'(saved) {
    const missing = await refused(404, () => documents.statusDocument({ id: 'nothing' }));
    assert.equal(missing.body.type, 'not_found');
    const twice = await refused(409, () => documents.sendDocument({ id: saved.id, documentSendRequest: {} }));
    assert.equal(twice.body.status, "document.sent");
    const invalid = await refused(400, () => documents.createDocument({ documentCreateRequest: { name: 'x' } }));
    assert.equal(invalid.body.type, 'validation_error');
    const sealed = await refused(401, () => documents.downloadProtectedDocument({ id: saved.id }));
    assert.equal(sealed.body.type, 'authentication_error');
  },
  async 'delete'(saved) {
    await documents.deleteDocument({ id: saved.id });
    await refused(404, () => documents.statusDocument({ id: saved.id }));
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
  console.log(`${Object.keys(steps).length} steps done`);
})();
