import { VALUE_BYTES_MAX } from '@circlet/shared/protocol/limits.ts';
import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

/** 40 values of 512 KiB under one key: 20 MiB, twenty times what a frame holds. */
function large(story: Story, siblings = 40): readonly string[] {
  const values: string[] = [];
  for (let i = 0; i < siblings; i++) {
    const value = new Uint8Array(VALUE_BYTES_MAX).fill(32);
    const name = `value ${String(i).padStart(2, '0')}`;
    new TextEncoder().encodeInto(name, value);
    story.written(story.put('p', value));
    values.push(name);
  }
  return values;
}

const trimmed = (values: readonly string[]) => values.map((value) => value.trim());

describe('a state larger than a frame moves in parts, and nothing dies of it (rule 3)', () => {
  it('when it is read, and when read repair brings it to a replica that has nothing', () => {
    const story = new Story({ seed: 1, storage: 3 });
    const { world, C } = story;
    world.isolate(C);
    const values = large(story);
    world.heal();
    world.run(3_000);
    expect(story.holds(C)).toEqual([]);
    expect(trimmed(story.found(story.get('q', { r: 3 })).values)).toEqual(values);
    story.settle();
    expect(trimmed(story.holds(C))).toEqual(values);
    expect(story.ownersAgree()).toBe(true);
  });

  it('when a fallback hands it off, and a sibling it never saw is there', () => {
    const story = new Story({ seed: 2 });
    const { world, A, B, C } = story;
    // B and C know one write more than the fallbacks that stand in for A.
    world.crash(A);
    const values = large(story);
    for (const node of story.fallbacks) world.crash(node);
    story.written(story.put('q', 'small'));
    for (const node of story.fallbacks) world.restart(node);
    world.restart(A);
    world.run(3_000);
    story.untilDrained();
    expect(trimmed(story.holds(A))).toEqual(values);
    expect(trimmed(story.found(story.get('q', { r: 3 })).values)).toEqual(['small', ...values]);
    story.settle();
    expect([trimmed(story.holds(B)), trimmed(story.holds(C))]).toEqual([
      ['small', ...values],
      ['small', ...values],
    ]);
    expect(story.ownersAgree()).toBe(true);
  });

  it('when some of the parts are lost', () => {
    const story = new Story({ seed: 3, storage: 3 });
    const { world, C } = story;
    world.isolate(C);
    const values = large(story);
    world.heal();
    world.run(3_000);
    let n = 0;
    const lossy = world.tap({ to: C, kind: 'merge', where: () => n++ % 3 === 1 }, 'drop');
    story.found(story.get('q', { r: 3 }));
    story.settle();
    expect(lossy.seen).toBeGreaterThan(5);
    lossy.stop();
    expect(trimmed(story.found(story.get('q', { r: 3 })).values)).toEqual(values);
    story.settle();
    expect(trimmed(story.holds(C))).toEqual(values);
    expect(story.ownersAgree()).toBe(true);
  });

  for (const [how, action] of [
    ['lost', 'drop'],
    ['overtaken by the last', 'hold'],
  ] as const) {
    it(`when a part of a hint is ${how}: it is owed until all have arrived`, () => {
      const story = new Story({ seed: 4, storage: 4 });
      const { world, A, D } = story;
      world.crash(A);
      const values = large(story, 5);
      const first = world.tap({ from: D, to: A, kind: 'hintPage', times: 1 }, action);
      world.restart(A);
      world.until(() => first.seen === 1, 10_000);
      world.run(500);
      first.release();
      world.run(100);
      expect(story.hints()).toBe(1);
      story.untilDrained();
      expect(trimmed(story.holds(A))).toEqual(values);
    });
  }
});
