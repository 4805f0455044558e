import { historyOf } from '@circlet/shared/causality/history.ts';
import { emptyState, type KeyState } from '@circlet/shared/causality/key-state.ts';
import { BODY_BYTES_MAX, CLOSED_MAX } from '@circlet/shared/protocol/limits.ts';
import { describe, expect, it } from 'vitest';
import { copyOf } from './one-key.case.ts';
import { five, merge, read } from './requests.case.ts';

/**
 * ADVERSARY. The cap on closed ids is kept by leads, each for what it has; merges are never capped. Two sides of a
 * partition that each fill it make a state of one sibling that no frame carries: every merge of it was acknowledged, and
 * no read, hint or repair can ever move it.
 */
describe('a state that was merged from two full ones', () => {
  it('can still be read', () => {
    const { made, a } = five();
    const ids = (from: number, n: number) =>
      Array.from({ length: n }, (_, i) => String(from + i).padStart(16, '0'));
    const closing = (closed: readonly string[]): KeyState => ({ ...emptyState, closed });
    // Each of them is less than any of two leads may hold.
    for (const part of [ids(0, CLOSED_MAX), ids(CLOSED_MAX, CLOSED_MAX)])
      expect(made.ask(a, merge(made, closing(part)))[0]).toMatchObject({ kind: 'merged' });
    const body = new Uint8Array(BODY_BYTES_MAX - 2_000);
    const dots = [{ actor: 'b.AAAAAAAAAAA.1', counter: 1 }];
    const sibling = { ...copyOf(1), body, dots };
    const state = { siblings: [sibling], history: historyOf(dots), closed: [] };
    expect(made.ask(a, merge(made, state))[0]).toMatchObject({ kind: 'merged' });
    expect(() => made.ask(a, read(made))).not.toThrow();
  });
});
