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
  'logged-out': 'Somebody logged this account out.',
  'no-refresh-token': 'The access token has ended, and it came without a refresh token.',
  'revoked-or-spent': 'PandaDoc refused the refresh token: it was revoked, or used elsewhere.',
  'rotation-lost-in-transit': 'PandaDoc replaced the tokens, and its answer was lost on the way.',
  'client-refused': 'PandaDoc does not accept the client id or secret.',
  'refresh-failing': 'The token endpoint does not answer as it should. It is tried again by itself.',
  'refresh-in-doubt': 'A refresh was cut off. The proxy waits before it uses the refresh token again.',
  'unsaved-rotation': 'The newest tokens are only in memory: the store cannot be written.',
  'store-unavailable': 'The token store cannot be read or written.',
};

export const causeText = (cause) => causes[cause] ?? cause;

const effects = {
  degraded: 'Requests still work.',
  unavailable: 'Requests fail until it recovers.',
  'login-required': 'Requests fail until somebody signs in.',
};

export const effectText = (state) => effects[state] ?? '';
