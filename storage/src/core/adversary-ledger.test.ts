import { describe, expect, it } from 'vitest';
import { copyOf } from './one-key.case.ts';
import { damage } from './pods.case.ts';
import { five, KEY, lead } from './requests.case.ts';
import { locate } from './hint-ledger.ts';

/** ADVERSARY. Replacing a hint whose row went bad while the pod ran counts it a second time. */
describe('a hint that replaces a damaged one', () => {
  it('leaves nothing owed when all owners have it', () => {
    const { made, e } = five();
    // The owners do not pull yet.
    made.loses = (from, to, message) => message.kind === 'hintOffer' || (from === '' && to === '');
    made.ask(e, lead(made, copyOf(1), { owedSlots: 1 }));
    damage(e, 'hints', locate(KEY));
    made.ask(e, lead(made, copyOf(2), { owedSlots: 1 }));
    made.loses = () => false;
    made.run(10_000);
    expect(e.store.count('hints')).toBe(0);
    const [echoed] = made.ask(e, { kind: 'echo', id: 1, sentMs: 0 });
    expect(echoed).toMatchObject({ hintsHeld: [] });
  });
});
