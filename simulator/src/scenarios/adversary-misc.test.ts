import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

/** ADVERSARY. The context decides nothing: a keyed conditional put that is repeated meets itself. */
describe('a conditional put that is repeated with its Idempotency-Key', () => {
  it('is not told that it did not happen', () => {
    const story = new Story({ seed: 1, storage: 3 });
    const { world } = story;
    const asking = { idempotencyKey: 'i', condition: { kind: 'absent' as const } };
    const lost = world.tap({ to: 'p', kind: 'merged' }, 'drop');
    const ledToo = world.tap({ to: 'p', kind: 'led' }, 'drop');
    const first = story.failed(story.put('p', 'X', { ...asking, timeoutMs: 1_000 }));
    expect(first).toMatchObject({ outcome: 'unknown' });
    lost.stop();
    ledToo.stop();
    story.settle();
    expect(story.answer(story.put('q', 'X', asking))).toMatchObject({ kind: 'written' });
  });
});
