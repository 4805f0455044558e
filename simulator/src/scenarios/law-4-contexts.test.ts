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
