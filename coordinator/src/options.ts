import { clusterOptions, podName } from '@circlet/shared/cluster-options.ts';
import { integer, OptionError, text } from '@circlet/shared/options.ts';
import { SIBLINGS_DEFAULT_MAX } from '@circlet/shared/protocol/limits.ts';

const MEBIBYTE = 1024 * 1024;

export const coordinatorOptions = {
  name: podName,
  ...clusterOptions,
  host: text({
    fallback: '127.0.0.1',
    help: 'Address to listen on. Without credentials only loopback is allowed.',
  }),
  port: integer({
    min: 0,
    max: 65535,
    fallback: 8080,
    help: 'Port of the HTTP API; 0 takes any free one and logs it.',
  }),
  adminListen: text({
    pattern: /^(?:none|(?:\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+):\d{1,5})$/,
    expected: 'host:port or none',
    fallback: 'none',
    help: 'Where membership changes are asked for, host:port, apart from the HTTP API; none turns them off. Without credentials only loopback is allowed.',
  }),
  metricsPort: integer({
    min: 0,
    max: 65535,
    fallback: 0,
    help: 'Port for health and metrics; 0 takes any free one and logs it.',
  }),
  requestsMax: integer({
    min: 1,
    max: 100_000,
    fallback: 2_000,
    help: 'Requests under way before further ones are answered 429. More of them wait longer, and are not served faster.',
  }),
  bytesMax: integer({
    min: MEBIBYTE,
    max: 16_384 * MEBIBYTE,
    fallback: 64 * MEBIBYTE,
    help: 'Bytes of values held for writes under way before further ones are answered 429.',
  }),
  connectionsMax: integer({
    min: 1,
    max: 1_000_000,
    fallback: 4_096,
    help: 'Open HTTP connections before further ones are closed. Health has a port of its own.',
  }),
  siblingsMax: integer({
    min: 2,
    max: 100_000,
    fallback: SIBLINGS_DEFAULT_MAX,
    help: 'Concurrent values of one key before a write that would add another is answered 409. Repair is never limited.',
  }),
} as const;

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Where the admin listener is to be, if anywhere. Throws {@link OptionError}. */
export function adminAddress(adminListen: string): ListenAddress | undefined {
  if (adminListen === 'none') return undefined;
  const colon = adminListen.lastIndexOf(':');
  const host = adminListen.slice(0, colon).replaceAll(/[[\]]/g, '');
  const port = Number(adminListen.slice(colon + 1));
  if (port > 65_535) throw new OptionError(`--admin-listen: expected a port up to 65535, not ${port}`);
  return { host, port };
}

/** Throws {@link OptionError} unless it is on this machine alone: nobody has to show who they are yet. */
export function checkLoopback(option: string, host: string): void {
  if (!LOOPBACK.test(host))
    throw new OptionError(`--${option}: without credentials only loopback is allowed, not "${host}"`);
}

const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|localhost|::1)$/;
