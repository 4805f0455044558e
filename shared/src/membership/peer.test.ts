import { describe, expect, it } from 'vitest';
import { INCARNATION_JUMP_MAX, type Liveness } from './member.ts';
import { Peer } from './peer.ts';

function peer(): { peer: Peer; changes: Liveness[] } {
  const changes: Liveness[] = [];
  return { peer: new Peer('x', (_, status) => changes.push(status)), changes };
}

const claim = (status: Liveness, incarnation: number) => ({ name: 'x', status, incarnation });

describe('hearsay', () => {
  it('makes a suspect, counts each accuser once, and yields to a refutation', () => {
    const { peer: x, changes } = peer();
    expect(x.hear('a', claim('down', 0))).toBe('adopted');
    expect(x.hear('a', claim('suspect', 0))).toBe('known');
    expect(x.hear('b', claim('suspect', 0))).toBe('confirmed');
    expect([...(x.suspicion?.accusers ?? [])]).toEqual(['a', 'b']);
    expect(x.hear('c', claim('alive', 1))).toBe('adopted');
    expect(x.suspicion).toBeUndefined();
    expect(x.hear('a', claim('suspect', 0))).toBe('outdated');
    expect(x.hear('a', claim('alive', 0))).toBe('known');
    expect(changes).toEqual(['suspect', 'alive']);
  });

  it('starts a new case when the incarnation rises', () => {
    const { peer: x, changes } = peer();
    x.hear('a', claim('suspect', 0));
    x.hear('b', claim('suspect', 4));
    expect([...(x.suspicion?.accusers ?? [])]).toEqual(['b']);
    expect(x.claim).toEqual(claim('suspect', 4));
    expect(changes).toEqual(['suspect']);
  });

  it('does not wake the dead at their own incarnation', () => {
    const { peer: x } = peer();
    x.adopt('down', 3);
    expect(x.hear('a', claim('alive', 3))).toBe('known');
    expect(x.hear('a', claim('down', 3))).toBe('known');
    expect(x.hear('a', claim('suspect', 2))).toBe('known');
    expect(x.hear('a', claim('alive', 4))).toBe('adopted');
  });

  it('refuses jumps and nonsense', () => {
    const { peer: x, changes } = peer();
    expect(x.hear('a', claim('down', INCARNATION_JUMP_MAX + 1))).toBe('version jump refused');
    expect(x.hear('a', claim('down', Number.MAX_SAFE_INTEGER))).toBe('version jump refused');
    for (const bad of [-1, 0.5, Number.NaN, 2 ** 53])
      expect(x.hear('a', claim('down', bad))).toBe('malformed');
    expect(changes).toEqual([]);
  });

  it('measures jumps from what the member said itself, not from the last lie', () => {
    const { peer: x } = peer();
    expect(x.hear('liar', claim('suspect', INCARNATION_JUMP_MAX))).toBe('adopted');
    expect(x.hear('liar', claim('suspect', INCARNATION_JUMP_MAX + 1))).toBe('version jump refused');
    expect(x.hearItself(INCARNATION_JUMP_MAX + 1)).toBe(true);
    expect(x.claim).toEqual(claim('alive', INCARNATION_JUMP_MAX + 1));
  });
});

describe('its own word', () => {
  it('counts for alive, and only when it is higher', () => {
    const { peer: x } = peer();
    x.adopt('down', 3);
    expect(x.hearItself(3)).toBe(true);
    expect(x.status).toBe('down');
    x.hearItself(4);
    expect(x.claim).toEqual(claim('alive', 4));
  });

  it('catches up by steps with a member that is far ahead', () => {
    const { peer: x } = peer();
    const heard = Array.from({ length: 6 }, () => x.hearItself(5_000));
    expect(heard).toEqual([false, false, false, false, true, true]);
    expect(x.incarnation).toBe(5_000);
  });
});
