import { describe, expect, it } from 'vitest';
import { sameHistory } from '@circlet/shared/causality/history.ts';
import { Story } from '../../story.ts';

describe('two clients that write one key in turn', () => {
  // sibling_explosion: 99 interleaved writes, each over its client's own last one, must end at 2 siblings, not 99.
  it('each over its own last write and without ever reading, leave two siblings', () => {
    const story = new Story({ seed: 1 });
    const contexts = new Map<string, ReturnType<typeof story.written>>();
    for (let i = 0; i < 99; i++) {
      const via = i % 2 === 0 ? 'p' : 'q';
      const context = contexts.get(via);
      contexts.set(via, story.written(story.put(via, `${i}`, context === undefined ? {} : { context })));
      if (i > 0) expect(story.found(story.get('p')).values).toHaveLength(2);
    }
    expect(story.found(story.get('p', { r: 3 })).values).toEqual(['97', '98']);
    story.settle();
    expect(story.ownersAgree()).toBe(true);
  });

  // verify_dvv_repl: 100 updates on both sides of a replication that comes and goes stay at 2 or 3 siblings.
  it('on two sides of a partition that comes and goes, stay at two siblings', () => {
    const story = new Story({ seed: 2 });
    const { world, A, B, C, D, E } = story;
    let most = 0;
    for (let i = 0; i < 100; i++) {
      if (i % 20 === 5) world.cut([A, D, 'p'], [B, C, E, 'q']);
      if (i % 20 === 15) world.heal();
      if (i % 10 === 5) world.run(3_000);
      for (const via of ['p', 'q']) {
        const { values, context } = story.found(story.get(via));
        most = Math.max(most, values.length);
        story.written(story.put(via, `${via} ${i}`, { context }));
      }
    }
    world.heal();
    world.run(3_000);
    story.untilDrained();
    expect(most).toBe(2);
    expect(story.found(story.get('p', { r: 3 })).values.length).toBeLessThanOrEqual(2);
    // No more actors than there were leads, however often the sides merged.
    story.settle();
    expect(story.stateAt(A)?.history.actors.length).toBeLessThanOrEqual(6);
  });
});

describe('a write that is copied', () => {
  // verify_asis_put: what is put as it is keeps the clock it has; a copy is no event of its own.
  it('by the coordinator, a handoff or read repair is no event of its own: the same bytes, one dot, one context', () => {
    const story = new Story({ seed: 3, storage: 4 });
    const { world, B, C } = story;
    world.crash(B);
    world.run(3_000);
    // B gets its copy as a hint, C by read repair.
    const lost = world.tap({ to: C, kind: 'merge' }, 'drop');
    const written = story.written(story.put('p', 'X'));
    lost.stop();
    world.restart(B);
    world.run(3_000);
    story.untilDrained();
    expect([story.holds(B), story.holds(C)]).toEqual([['X'], []]);
    const { context } = story.found(story.get('q', { r: 2 }));
    story.settle();
    expect(story.holds(C)).toEqual(['X']);
    expect(story.ownersAgree()).toBe(true);
    expect(sameHistory(context.history, written.history)).toBe(true);
    expect(context.history).toMatchObject({ ranges: [[1, 1]] });
  });
});
