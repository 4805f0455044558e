import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

/**
 * ADVERSARY. The retry of a write that has been superseded is answered with `contextOfDead`: everything that is dead at the
 * lead. But what is dead there was killed by a write (W) that the client was not shown and that the context leaves out.
 * On a replica that has not heard of W, the client's next put kills what W killed, and W is not there: the flaw that
 * decision 0005 describes for parts. (Found by chaos seed 200224, reduced here.)
 */
describe('the context of a write that was superseded before its retry', () => {
  it('kills nothing that its client has not seen (R=2, W=2, strict writes and reads, one sloppy retry)', () => {
    const story = new Story({ seed: 1 });
    const { world, A, B, C } = story;
    const strict = { sloppy: false };
    const x = { idempotencyKey: 'i' };
    story.written(story.put('p', 'X', { ...x, ...strict, w: 3 }));
    story.written(story.put('q', 'Z', { ...strict, w: 3 }));
    story.settle();
    const seen = story.found(story.get('q', { r: 3 }));
    expect(seen.values).toEqual(['X', 'Z']);
    // W supersedes both, and reaches A alone, and fallbacks that have not handed it over yet.
    const hints = world.tap({ kind: 'hintPage' }, 'drop');
    const lost = world.tap({ from: ['p', 'q'], to: [B, C], kind: 'merge' }, 'drop');
    story.put('q', 'W', { context: seen.context, ...strict, w: 1 });
    story.settle(6_000);
    lost.stop();
    expect([story.holds(A), story.holds(B), story.holds(C)]).toEqual([['W'], ['X', 'Z'], ['X', 'Z']]);
    // X's client repeats it, while B and C cannot be reached from its coordinator: A and fallbacks have the copies.
    world.cut('p', [B, C]);
    world.run(3_000);
    const context = story.written(story.put('p', 'X', x));
    world.heal();
    // It goes on from there, when A is out of reach (and the hints have not been handed over).
    world.isolate(A);
    world.run(3_000);
    story.written(story.put('q', 'P', { context, ...strict }));
    story.settle(1_000);
    // Z was written on three owners; W, which superseded it, is on none of those that answer.
    const { values } = story.found(story.get('q', strict));
    hints.stop();
    expect(values.includes('Z') || values.includes('W')).toBe(true);
  });

  it('and one lost disk of three does not lose what was acknowledged on all three', () => {
    const story = new Story({ seed: 2, storage: 3 });
    const { world, A, B, C } = story;
    const x = { idempotencyKey: 'i' };
    story.written(story.put('p', 'X', { ...x, w: 3 }));
    story.written(story.put('q', 'Z', { w: 3 }));
    story.settle();
    const seen = story.found(story.get('q', { r: 3 }));
    const lost = world.tap({ from: ['p', 'q'], to: [B, C], kind: 'merge' }, 'drop');
    story.put('q', 'W', { context: seen.context, w: 1 });
    story.settle(6_000);
    const context = story.written(story.put('p', 'X', { ...x, w: 1 }));
    story.settle(6_000);
    lost.stop();
    // A's disk is lost for good, and with it the only copy of W, whatever its outcome was.
    world.crash(A);
    world.run(3_000);
    expect([story.holds(B), story.holds(C)]).toEqual([
      ['X', 'Z'],
      ['X', 'Z'],
    ]);
    story.written(story.put('q', 'P', { context }));
    story.settle();
    // Nobody who saw Z has written anything that is left.
    expect([...story.holds(B), ...story.holds(C)]).toContain('Z');
  });
});
