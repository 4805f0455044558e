import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

describe('a context covers exactly what its holder saw (law 4)', () => {
  it('so that a put with the context of a put spares the sibling its client never saw', () => {
    const story = new Story({ seed: 1 });
    story.written(story.put('p', 'X'));
    const context = story.written(story.put('q', 'Y'));
    story.written(story.put('q', 'Z', { context }));
    expect(story.found(story.get('p', { r: 3 })).values).toEqual(['X', 'Z']);
  });

  it('so that a put with the context of a get replaces all that the get returned, and nothing written since', () => {
    const story = new Story({ seed: 2 });
    story.written(story.put('p', 'X'));
    story.written(story.put('q', 'Y'));
    const { context } = story.found(story.get('p'));
    story.written(story.put('q', 'later'));
    story.written(story.put('p', 'Z', { context }));
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(['Z', 'later']);
  });

  it('also of a put whose lead knew the write already, and more beside it', () => {
    const story = new Story({ seed: 3 });
    const { world } = story;
    const answers = world.tap({ to: 'p', kind: 'led', times: 1 }, 'drop');
    const first = story.put('p', 'X', { idempotencyKey: 'k' });
    world.until(() => answers.seen === 1, 1_000);
    world.crash('p');
    story.written(story.put('q', 'beside'));
    const context = story.written(story.put('q', 'X', { idempotencyKey: 'k' }));
    story.written(story.put('q', 'Y', { context }));
    expect(first.isOver).toBe(false);
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(['Y', 'beside']);
  });

  it('also of a delete, and of a delete that the coordinator decided by its own read', () => {
    const story = new Story({ seed: 4 });
    story.written(story.put('p', 'X'));
    const context = story.written(story.remove('p'));
    story.written(story.put('q', 'beside'));
    story.written(story.put('p', 'Y', { context }));
    const found = story.found(story.get('q', { r: 3 }));
    expect(found).toMatchObject({ values: ['Y', 'beside'], tombstones: 0 });
  });

  it('so that a put with the context of a delete replaces also what the delete had seen', () => {
    const story = new Story({ seed: 6 });
    const { world, C } = story;
    const context = story.written(story.put('p', 'X', { w: 3 }));
    // The delete never gets to C, so it is Y's own context that has to end X there.
    world.tap({ to: C, kind: 'merge', times: 1 }, 'drop');
    const removed = story.written(story.remove('q', { context }));
    expect(story.holds(C)).toEqual(['X']);
    story.written(story.put('p', 'Y', { context: removed }));
    story.settle(100);
    expect(story.holds(C)).toEqual(['Y']);
  });

  it('and stays small while one client writes on and on with the context of its last write', () => {
    const story = new Story({ seed: 5 });
    let context = story.written(story.put('p', '0', { idempotencyKey: '0' }));
    for (let i = 1; i <= 300; i++) {
      const keyed = i % 2 === 0 ? { idempotencyKey: String(i) } : {};
      context = story.written(story.put('p', String(i), { context, ...keyed }));
    }
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(['300']);
    expect(context.history.actors).toHaveLength(1);
    expect(context.writes.length).toBeLessThan(70);
  });
});

describe('the context of a write that was superseded before its retry (law 4)', () => {
  it('kills nothing that its client has not seen, with what superseded it on fallbacks', () => {
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

  it('nor with what superseded it on a disk that is lost', () => {
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
