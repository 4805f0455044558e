import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

/** X is on all owners; Y replaced it while one of them was cut off, with nobody to hold a hint. */
function oneBehind(seed: number, behind: (story: Story) => string): Story {
  const story = new Story({ seed, storage: 3 });
  const { world } = story;
  const context = story.written(story.put('p', 'X', { w: 3 }));
  world.isolate(behind(story));
  story.written(story.put('p', 'Y', { context }));
  world.heal();
  world.run(4_000);
  expect(story.holds(behind(story))).toEqual(['X']);
  return story;
}

describe('read repair', () => {
  for (const [name, behind] of [
    ['the first owner', (story: Story) => story.A],
    ['the last owner', (story: Story) => story.C],
  ] as const) {
    it(`reaches ${name} when it is behind, though the quorum did not need it`, () => {
      const story = oneBehind(1, behind);
      expect(story.found(story.get('p')).values).toEqual(['Y']);
      story.settle();
      expect(story.holds(behind(story))).toEqual(['Y']);
      expect(story.ownersAgree()).toBe(true);
    });

    it(`reaches ${name} when it answers late`, () => {
      const story = oneBehind(2, behind);
      const late = story.world.tap({ from: behind(story), to: 'p', kind: 'found' }, { delayMs: 300 });
      const read = story.get('p');
      expect(story.found(read).values).toEqual(['Y']);
      expect(read.tookMs).toBeLessThan(100);
      story.settle();
      expect(late.seen).toBeGreaterThan(0);
      expect(story.holds(behind(story))).toEqual(['Y']);
    });
  }

  it('reaches two that are behind in different ways', () => {
    const story = new Story({ seed: 3, storage: 3 });
    const { world, A, B, C } = story;
    for (const [value, alone] of [
      ['1', A],
      ['2', B],
      ['3', C],
    ] as const) {
      world.cut(
        alone,
        [A, B, C].filter((other) => other !== alone),
      );
      world.cut(
        'p',
        [A, B, C].filter((other) => other !== alone),
      );
      world.run(4_000);
      story.written(story.put('p', value, { w: 1, timeoutMs: 500 }));
      world.heal();
      world.run(4_000);
    }
    expect([story.holds(A), story.holds(B), story.holds(C)]).toEqual([['1'], ['2'], ['3']]);
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(['1', '2', '3']);
    story.settle();
    expect(story.ownersAgree()).toBe(true);
    expect(story.holds(A)).toEqual(['1', '2', '3']);
  });

  it('costs nothing when all agree', () => {
    const story = new Story({ seed: 4 });
    story.written(story.put('p', 'X', { w: 3 }));
    story.settle();
    const merges = story.world.tap({ kind: 'merge' }, 'watch');
    const reads = story.world.tap({ kind: 'read' }, 'watch');
    story.found(story.get('q', { r: 3 }));
    story.settle();
    expect(merges.seen).toBe(0);
    expect(reads.seen).toBe(3);
  });
});

describe('a read of replicas that differ', () => {
  it('fetches the state behind a digest that nothing shown explains', () => {
    const story = new Story({ seed: 10, storage: 3 });
    const { world, A, B, C } = story;
    world.isolate(A);
    story.written(story.put('p', 'X'));
    world.heal();
    world.run(4_000);
    world.isolate(C);
    world.run(4_000);
    story.written(story.put('p', 'Y', { w: 1, timeoutMs: 500 }));
    world.heal();
    world.run(4_000);
    expect([story.holds(B), story.holds(C)]).toContainEqual(['X']);
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(['X', 'Y']);
  });

  it('asks another owner for the state when the one that was to send it hangs', () => {
    const story = new Story({ seed: 11 });
    const { world } = story;
    story.written(story.put('p', 'X', { w: 3 }));
    story.settle();
    for (let i = 0; i < 30; i++) story.found(story.get('q'));
    const states = world.tap(
      { kind: 'read', where: (m) => m.kind === 'read' && m.want === 'state' },
      'watch',
    );
    story.found(story.get('q'));
    const chosen = states.frames[0]?.to ?? '';
    world.freeze(chosen);
    const read = story.get('q');
    expect(story.found(read).values).toEqual(['X']);
    expect(read.tookMs).toBeLessThan(50);
    expect(world.noticesOf('read_hedged')).toBe(1);
  });

  it('still answers when there is no budget left for hedges', () => {
    const story = new Story({ seed: 12 });
    const { world, A } = story;
    story.written(story.put('p', 'X', { w: 3 }));
    story.settle();
    world.tap({ from: A, to: 'q', kind: 'found' }, 'drop');
    const reads = Array.from({ length: 60 }, () => story.get('q'));
    for (const read of reads) {
      expect(story.found(read).values).toEqual(['X']);
      expect(read.tookMs).toBeLessThan(2_000);
    }
    expect(world.noticesOf('read_hedged')).toBeLessThan(30);
  });
});

describe('a row that fails its checksum (I14)', () => {
  it('is never served, counts for nothing, is repaired and becomes readable', () => {
    const story = new Story({ seed: 20 });
    const { world, A } = story;
    story.written(story.put('p', 'X', { w: 3 }));
    story.settle();
    story.damage(A);
    expect(story.failed(story.get('p', { r: 3, sloppy: false }))).toMatchObject({
      need: 3,
      got: 2,
      from: 'owners',
    });
    story.untilHealable();
    story.found(story.get('p'));
    story.settle();
    expect(story.isSuspect(A)).toBe(false);
    expect(story.found(story.get('p', { r: 3, sloppy: false })).values).toEqual(['X']);
    expect(story.ownersAgree()).toBe(true);
    expect(world.alarms.map(({ notice }) => notice.event)).toContain('row_suspect');
  });

  it('is not "not found": with one owner away, what the third has is the answer', () => {
    const story = new Story({ seed: 21, storage: 3 });
    const { world, A, B } = story;
    story.written(story.put('p', 'X', { w: 3 }));
    story.settle();
    story.damage(A);
    world.crash(B);
    world.run(3_000);
    expect(story.found(story.get('p')).values).toEqual(['X']);
    expect(story.failed(story.get('p', { r: 2 }))).toMatchObject({ need: 2, got: 1 });
  });

  it('stays suspect until every other owner has shown what it has, whatever is written meanwhile', () => {
    const story = new Story({ seed: 22, storage: 3 });
    const { world, A, C } = story;
    story.written(story.put('p', 'X', { w: 3 }));
    story.settle();
    story.damage(A);
    world.crash(C);
    world.run(3_000);
    story.written(story.put('p', 'Y'));
    story.found(story.get('p'));
    story.settle();
    story.untilHealable();
    story.found(story.get('p'));
    story.settle();
    expect(story.isSuspect(A)).toBe(true);
    world.restart(C);
    world.run(3_000);
    story.found(story.get('p'));
    story.settle();
    expect(story.isSuspect(A)).toBe(false);
    expect(story.found(story.get('p', { r: 3 })).values).toEqual(['X', 'Y']);
  });

  it('on a minority changes no value that a client sees, and is copied nowhere', () => {
    const story = new Story({ seed: 23 });
    const { world, A } = story;
    story.written(story.put('p', 'X', { w: 3 }));
    story.settle();
    for (const via of ['p', 'q', 'p']) {
      story.damage(A);
      expect(story.found(story.get(via)).values).toEqual(['X']);
      story.settle();
    }
    for (const owner of story.owners) expect(story.holds(owner)).toEqual(['X']);
    expect(world.noticesOf('event_dropped')).toBe(0);
  });
});

describe('a session read: at least this new, or 503', () => {
  it('finds what only one owner has so far', () => {
    const story = new Story({ seed: 30, storage: 3 });
    const { world, A, B, C } = story;
    const copies = world.tap({ kind: 'merge' }, 'drop');
    const context = story.written(story.put('p', 'X', { w: 1, timeoutMs: 100 }));
    world.run(100);
    copies.stop();
    expect([story.holds(A), story.holds(B), story.holds(C)]).toEqual([['X'], [], []]);
    expect(story.found(story.get('q', { context, r: 1 })).values).toEqual(['X']);
  });

  it('says stale_replicas when the one that has it is gone, and not found to nobody', () => {
    const story = new Story({ seed: 31, storage: 3 });
    const { world, A } = story;
    const copies = world.tap({ kind: 'merge' }, 'drop');
    const context = story.written(story.put('p', 'X', { w: 1, timeoutMs: 100 }));
    world.run(100);
    copies.stop();
    world.crash(A);
    world.run(3_000);
    expect(story.failed(story.get('q', { context }))).toEqual({ code: 'stale_replicas' });
    expect(story.found(story.get('q')).values).toEqual([]);
    world.restart(A);
    world.run(3_000);
    expect(story.found(story.get('q', { context })).values).toEqual(['X']);
  });

  it('does not give way to the older value that is all there is', () => {
    const story = new Story({ seed: 33, storage: 3 });
    const { world, A, B, C } = story;
    const first = story.written(story.put('p', 'X', { w: 3 }));
    world.isolate(C);
    const context = story.written(story.put('p', 'Y', { context: first }));
    for (const owner of [A, B]) world.crash(owner);
    world.heal();
    world.run(3_000);
    expect(story.found(story.get('q')).values).toEqual(['X']);
    expect(story.failed(story.get('q', { context }))).toMatchObject({ code: 'quorum_unavailable' });
  });

  it('takes what has superseded it for new enough', () => {
    const story = new Story({ seed: 32 });
    const context = story.written(story.put('p', 'X'));
    story.written(story.remove('q', { context }));
    expect(story.found(story.get('p', { context })).values).toEqual([]);
  });
});

describe('returnvalue=1', () => {
  it('answers a put like a read that is at least as new', () => {
    const story = new Story({ seed: 40 });
    story.written(story.put('p', 'X'));
    const answer = story.answer(story.put('q', 'Y', { returnValue: true }));
    expect(answer.kind === 'read' && answer.reading.state.siblings).toHaveLength(2);
  });
});
