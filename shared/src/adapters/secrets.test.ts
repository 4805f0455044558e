import { describe, expect, it } from 'vitest';
import { newSecrets, parseSecrets, readSecrets, SecretsError } from './secrets.ts';

const CLUSTER = `cluster ${'0a'.repeat(16)}`;
const context = (id: string, hex: string) => `context ${id} ${hex.repeat(16)}`;
const parse = (...lines: readonly string[]) => parseSecrets(lines.join('\n'), 'file');

describe('the secrets of a cluster', () => {
  it('have any number of context keys, all of which verify, and the marked one signs (rule 18)', () => {
    const { contextKeys, signWith } = parse(
      '# comment',
      CLUSTER,
      '',
      context('k2', 'bb'),
      `${context('k1', 'cc')} sign`,
    );
    expect([...contextKeys.keys()]).toEqual(['k2', 'k1']);
    expect(signWith).toBe('k1');
    expect(contextKeys.get('k1')).not.toEqual(contextKeys.get('k2'));
  });

  it('give each key one use: the same bytes as cluster and context key are two keys', () => {
    const { clusterKey, contextKeys } = parse(CLUSTER, `${context('k1', '0a')} sign`);
    expect(contextKeys.get('k1')).not.toEqual(clusterKey);
  });

  it('are complete when they are made afresh, and never the same', () => {
    const [one, two] = [newSecrets(), newSecrets()].map((text) => parseSecrets(text, 'file'));
    expect(one?.signWith).toBe('k1');
    expect(one?.clusterKey).not.toEqual(two?.clusterKey);
  });

  it.each([
    ['without a cluster key', [`${context('k1', 'aa')} sign`], 'cluster HEX'],
    ['without a context key that signs', [CLUSTER, context('k1', 'aa')], 'exactly one'],
    ['with two that sign', [CLUSTER, `${context('k1', 'aa')} sign`, `${context('k2', 'bb')} sign`], 'not 2'],
    ['with one id for two keys', [CLUSTER, context('k1', 'aa'), `${context('k1', 'bb')} sign`], 'file:3'],
    ['with an id that is none', [CLUSTER, `${context('k-1', 'aa')} sign`], 'file:2'],
    ['with a key that is too short', [CLUSTER, 'context k1 abcd sign'], 'file:2'],
    ['with a line of another kind', [CLUSTER, 'password secret'], 'file:2'],
  ])('are refused %s, by file and line, without a word of what is secret', (_, lines, says) => {
    const error = (() => {
      try {
        return parse(...lines);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(SecretsError);
    expect(String(error)).toContain(says);
    expect(String(error)).not.toMatch(/(?:aa|bb|0a){4}|abcd|secret$/);
  });

  it('that are not there are refused by the name of their file', () => {
    expect(() => readSecrets('/nowhere/secrets')).toThrow(/\/nowhere\/secrets \(ENOENT\)/);
  });
});
