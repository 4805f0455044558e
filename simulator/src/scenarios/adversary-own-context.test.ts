import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

/**
 * ADVERSARY. A conditional put without a context takes the context of the coordinator's read. When it is the repeat of a write
 * (same Idempotency-Key), that read can show the first attempt: the write's own dot is then in its context. A lead that
 * does not hold the write mints a second dot, and `delta` makes a state that has seen the first dot and does not hold it:
 * where the two copies meet, the write kills itself, and what it replaced is dead too.
 */
describe('a put that is repeated and reads its own first attempt', () => {
  it.each(['put If-Match: *', 'delete'] as const)('%s: is kept once it is acknowledged', (how) => {
    const story = new Story({ seed: 1, storage: 3 });
    const { world, A, B, C } = story;
    story.written(story.put('p', 'V', { w: 3 }));
    story.settle();
    const asking = { idempotencyKey: 'i', timeoutMs: 2_000 };
    const conditional = { ...asking, condition: { kind: 'matches' as const, etags: ['*'] } };
    const again = (via: string) =>
      how === 'delete' ? story.remove(via, asking) : story.put(via, 'X', conditional);
    // The first attempt reaches A alone.
    const lost = world.tap({ from: 'p', to: [B, C], kind: 'merge' }, 'drop');
    expect(story.failed(again('p'))).toMatchObject({ outcome: 'unknown' });
    story.settle();
    lost.stop();
    if (how === 'delete') story.written(story.put('p', 'W', { timeoutMs: 1_000 }));
    // The second one reads A, and then cannot lead through it; nor are the owners repaired meanwhile.
    const repairs = world.tap({ to: A, kind: 'merge' }, 'drop');
    // What is sent to B and C before one of them leads is read repair.
    let led = false;
    world.tap({ from: 'q', to: [B, C], kind: 'lead', where: () => (led = true) }, 'watch');
    world.tap({ from: 'q', to: [B, C], kind: 'merge', where: () => !led }, 'drop');
    const leads = world.tap({ from: 'q', to: A, kind: 'lead' }, 'drop');
    const context = story.written(again('q'));
    leads.stop();
    repairs.stop();
    story.settle(3_000);
    const call = story.get('q', { r: 3, sloppy: false, context });
    const found = story.found(call);
    story.settle();
    const later = story.found(story.get('p', { r: 3, sloppy: false }));
    expect([found, later].map(({ values, tombstones }) => ({ values, tombstones }))).toEqual(
      Array.from({ length: 2 }, () =>
        how === 'delete' ? { values: [], tombstones: 1 } : { values: ['X'], tombstones: 0 },
      ),
    );
  });

  it('with nothing lost on the way: an owner that crashes after its answer, and one that is frozen', () => {
    const story = new Story({ seed: 1, storage: 4 });
    const { world, A, C } = story;
    story.written(story.put('p', 'V', { w: 3 }));
    story.settle();
    const asking = { idempotencyKey: 'i', condition: { kind: 'matches' as const, etags: ['*'] } };
    // The first coordinator dies when the lead has committed.
    const led = world.tap({ from: A, to: 'p', kind: 'led' }, 'watch');
    story.put('p', 'X', asking);
    world.until(() => led.seen > 0, 1_000);
    world.crash('p');
    expect(story.holds(A)).toEqual(['X']);
    // The client repeats its put through another one. C hangs; A answers the read and crashes.
    world.freeze(C);
    const found = world.tap({ from: A, to: 'q', kind: 'found' }, 'watch');
    const call = story.put('q', 'X', asking);
    world.until(() => found.seen > 0, 1_000);
    world.crash(A);
    story.written(call);
    story.settle(3_000);
    world.thaw(C);
    world.restart(A);
    world.restart('p');
    world.run(5_000);
    story.untilDrained();
    expect(story.found(story.get('q', { r: 3, sloppy: false })).values).toEqual(['X']);
  });
});
