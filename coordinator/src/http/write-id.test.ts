import { fullKey } from '@circlet/shared/ring/key.ts';
import { describe, expect, it } from 'vitest';
import { checkedIdempotencyKey, type KeyedWrite, WriteIds } from './write-id.ts';

const keyOf = (bucket: string, key: string) => fullKey(Buffer.from(bucket), Buffer.from(key));

const WRITE: KeyedWrite = {
  key: keyOf('b', 'k'),
  method: 'PUT',
  idempotencyKey: 'order-17',
  body: Buffer.from('body'),
  context: 'token',
};

const ids = (principal = 'anonymous') => new WriteIds((n) => new Uint8Array(n), principal);
const keyed = (change: Partial<KeyedWrite> = {}, principal?: string) =>
  ids(principal).keyed({ ...WRITE, ...change });

describe('a random write-id', () => {
  it('has 16 bytes and uses each random byte once', () => {
    let drawn = 0;
    const source = new WriteIds((n) => Uint8Array.from({ length: n }, () => drawn++ % 251), 'anonymous');
    const seen = Array.from({ length: 1_000 }, () => source.random());
    expect(seen.every((id) => id.length === 16)).toBe(true);
    expect(seen.join('')).toBe(
      Array.from({ length: 16_000 }, (_, i) => String.fromCharCode(i % 251)).join(''),
    );
  });
});

describe('a write-id under an Idempotency-Key', () => {
  it('is the same for the same write', () => {
    expect(keyed()).toBe(keyed());
    expect(keyed()).toHaveLength(16);
    expect(Buffer.from(keyed(), 'latin1').toString('latin1')).toBe(keyed());
  });

  it.each<[string, Partial<KeyedWrite>]>([
    ['body, type or metadata', { body: Buffer.from('other') }],
    ['context', { context: 'other' }],
    ['no context', { context: undefined }],
  ])('with another %s differs in its second half only, so that the lead notices', (_, change) => {
    expect(keyed(change).slice(0, 8)).toBe(keyed().slice(0, 8));
    expect(keyed(change).slice(8)).not.toBe(keyed().slice(8));
  });

  it.each<[string, string]>([
    ['key', keyed({ key: keyOf('b', 'k2') })],
    ['bucket', keyed({ key: keyOf('bk', '') })],
    ['method', keyed({ method: 'DELETE' })],
    ['Idempotency-Key', keyed({ idempotencyKey: 'order-18' })],
    ['principal', keyed({}, 'somebody')],
  ])('with another %s is another write', (_, other) => {
    expect(other.slice(0, 8)).not.toBe(keyed().slice(0, 8));
  });

  it('does not depend on where one part ends and the next begins', () => {
    expect(keyed({ body: Buffer.from('ab'), context: 'c' })).not.toBe(
      keyed({ body: Buffer.from('a'), context: 'bc' }),
    );
  });
});

it('an Idempotency-Key is 1 to 128 visible ASCII characters', () => {
  for (const good of ['a', '!~', 'x'.repeat(128), undefined]) expect(checkedIdempotencyKey(good)).toBe(good);
  for (const bad of ['', ' ', 'a b', 'x'.repeat(129), 'é', 'a\n', '\t']) {
    expect(() => checkedIdempotencyKey(bad)).toThrow('invalid_parameter');
  }
});
