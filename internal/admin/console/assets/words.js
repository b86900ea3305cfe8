// What states and causes are called on the pages.

const states = {
  ready: 'Ready',
  degraded: 'Degraded',
  unavailable: 'Unavailable',
  'login-required': 'Login required',
  unknown: 'Not used yet',
  stopping: 'Stopping',
};

export const stateName = (state) => states[state] ?? state;

const causes = {
  'not-signed-in': 'Nobody has signed in yet.',
  'logged-out': 'This account was logged out.',
  'no-refresh-token': 'The access token has ended, and it came without a refresh token.',
  'revoked-or-spent': 'PandaDoc refused the refresh token: it is revoked, or was used by another program.',
  'rotation-lost-in-transit': 'The answer to a refresh was lost, and the old refresh token is no longer accepted.',
  'other-issuer': 'The stored tokens belong to another API, token endpoint or client id than the configured one.',
  'client-not-configured': 'No client id and secret are set, so the token cannot be refreshed.',
  'client-refused': 'PandaDoc does not accept the client id or secret.',
  'refresh-failing': 'The token endpoint is not answering. The proxy tries again by itself.',
  'refresh-in-doubt': 'A refresh was cut off. The proxy waits before it uses the refresh token again.',
  'refresh-did-not-help': 'PandaDoc refuses tokens that were just refreshed. The next refresh waits.',
  'unsaved-rotation': 'The newest tokens are not in the store yet.',
  'api-key-refused': 'PandaDoc refuses the API key.',
  'store-unavailable': 'The token store cannot be read or written.',
  'store-not-watched': 'The store does not report changes now. Accounts in use are read again every 30 s.',
};

export const causeText = (cause) => causes[cause] ?? cause;

const environments = { global: 'PandaDoc, global', eu: 'PandaDoc, EU', emulator: 'Emulator' };

// environmentName is what requests go to.
export const environmentName = (status) => environments[status.environment] ?? new URL(status.upstream).host;

const effects = {
  degraded: 'Requests still work.',
  unavailable: 'Requests fail until it recovers.',
  'login-required': 'Requests fail until somebody signs in.',
};

export const effectText = (state) => effects[state] ?? '';
