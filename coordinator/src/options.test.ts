import { OptionError, readOptions } from '@circlet/shared/options.ts';
import { expect, it } from 'vitest';
import { adminAddress, checkLoopback, coordinatorOptions } from './options.ts';

const read = (env: Readonly<Record<string, string>>) =>
  readOptions(coordinatorOptions, ['--name', 'c', '--secrets-file', 'f'], env).adminListen;

it('there is no admin listener unless one is asked for', () => {
  expect(adminAddress(read({}))).toBeUndefined();
});

it.each([
  ['127.0.0.1:8180', { host: '127.0.0.1', port: 8180 }],
  ['localhost:0', { host: 'localhost', port: 0 }],
  ['[::1]:9000', { host: '::1', port: 9000 }],
])('CIRCLET_ADMIN_LISTEN=%s is an address', (text, address) => {
  expect(adminAddress(read({ CIRCLET_ADMIN_LISTEN: text }))).toEqual(address);
});

it.each(['8180', ':8180', '127.0.0.1', 'http://127.0.0.1:8180', '127.0.0.1:x', '127.0.0.1:70000', ''])(
  'CIRCLET_ADMIN_LISTEN=%j is refused',
  (text) => {
    expect(() => adminAddress(read({ CIRCLET_ADMIN_LISTEN: text }))).toThrow(OptionError);
  },
);

it.each(['0.0.0.0', '::', '10.0.0.1', 'example.org'])('%s is not loopback', (host) => {
  expect(() => checkLoopback('admin-listen', host)).toThrow('--admin-listen: without credentials');
});
