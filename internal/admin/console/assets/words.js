// The names of states on the pages. The texts of causes come with the status.

const states = {
  ready: 'Ready',
  degraded: 'Degraded',
  unavailable: 'Unavailable',
  'login-required': 'Login required',
  unknown: 'Not used yet',
  stopping: 'Stopping',
};

export const stateName = (state) => states[state] ?? state;

// usable reports whether requests of an account can work.
export const usable = (account) => ['ready', 'degraded', 'unknown'].includes(account.state);

const environments = { global: 'PandaDoc, global', eu: 'PandaDoc, EU', emulator: 'Emulator' };

// environmentName returns the name of the API that requests go to.
export const environmentName = (status) => environments[status.environment] ?? new URL(status.upstream).host;

const effects = {
  degraded: 'Requests still work.',
  unavailable: 'Requests fail until the account works again.',
  'login-required': 'Requests fail until somebody signs in.',
};

export const effectText = (state) => effects[state] ?? '';
