import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

/** A story in which these owners have been dead for a while. */
function without(seed: number, dead: (story: Story) => readonly string[], storage = 5): Story {
  const story = new Story({ seed, storage });
  for (const node of dead(story)) story.world.crash(node);
  story.world.run(3_000);
  return story;
}

describe('W and PW', () => {
  it('are refused with need and got before anything is sent, when only owners count', () => {
    const story = without(1, ({ A, B }) => [A, B]);
    const leads = story.world.tap({ kind: 'lead' }, 'watch');
    const failure = story.failed(story.put('p', 'X', { w: 2, sloppy: false }));
    expect(failure).toEqual({ code: 'quorum_unavailable', need: 2, got: 1, from: 'owners', outcome: 'none' });
    expect(leads.seen).toBe(0);
    story.written(story.put('p', 'Y', { w: 1, sloppy: false }));
  });

  it('go through fallbacks in sloppy mode, which count for W', () => {
    const story = without(2, ({ A }) => [A]);
    story.written(story.put('p', 'X', { w: 3 }));
    expect([story.holds(story.B), story.holds(story.C), story.holds(story.D)]).toEqual([['X'], ['X'], ['X']]);
  });

  it('but never for PW', () => {
    const story = without(3, ({ A, B }) => [A, B]);
    const leads = story.world.tap({ kind: 'lead' }, 'watch');
    expect(story.failed(story.put('p', 'X', { w: 2, pw: 2 }))).toEqual({
      code: 'quorum_unavailable',
      need: 2,
      got: 1,
      from: 'owners',
      outcome: 'none',
    });
    expect(leads.seen).toBe(0);
    story.written(story.put('p', 'X', { w: 3, pw: 1 }));
  });

  it('and not before the last owner that is still asked has it', () => {
    const story = without(7, ({ B }) => [B]);
    const { world, C, D } = story;
    const late = world.tap({ from: C, to: 'p', kind: 'merged' }, 'hold');
    const put = story.put('p', 'X', { w: 2, pw: 2 });
    world.until(() => story.holds(D).length > 0, 1_000);
    world.run(20);
    expect(put.isOver).toBe(false);
    late.release();
    story.written(put);
  });

  it('and not either when the owners hang under the write', () => {
    const story = new Story({ seed: 6 });
    const { world, B, C, D, E } = story;
    for (const node of [B, C]) world.freeze(node);
    const failure = story.failed(story.put('p', 'X', { w: 2, pw: 2, timeoutMs: 1_000 }));
    expect(failure).toMatchObject({ need: 2, got: 1, from: 'owners', outcome: 'unknown' });
    expect([story.holds(D), story.holds(E)]).toEqual([['X'], ['X']]);
  });

  it('fail as `unknown`, with what was reached, when an owner dies under the write', () => {
    const story = new Story({ seed: 4, storage: 3 });
    const { world, C } = story;
    world.freeze(C);
    const failure = story.failed(story.put('p', 'X', { w: 3, timeoutMs: 800 }));
    expect(failure).toMatchObject({ need: 3, got: 2, outcome: 'unknown' });
  });

  it('are met by a fallback, when an owner hangs under the write', () => {
    const story = new Story({ seed: 5 });
    const { world, C } = story;
    world.freeze(C);
    const put = story.put('p', 'X', { w: 3, timeoutMs: 2_000 });
    story.written(put);
    expect(put.tookMs).toBeLessThan(1_000);
    expect(story.hints()).toBe(1);
    world.thaw(C);
    world.run(3_000);
    story.untilDrained();
    expect(story.ownersAgree()).toBe(true);
  });
});

describe('R and PR', () => {
  it('are met by owners that are there', () => {
    const story = new Story({ seed: 10 });
    story.written(story.put('p', 'X', { w: 3 }));
    story.world.crash(story.A);
    expect(story.found(story.get('p', { r: 2, pr: 2 })).values).toEqual(['X']);
    expect(story.failed(story.get('p', { r: 3 }))).toMatchObject({ need: 3, got: 2 });
  });

  it('count a fallback that holds the key for R, never for PR, and not at all when only owners count', () => {
    const story = without(11, ({ A }) => [A]);
    story.written(story.put('p', 'X', { w: 3 }));
    expect(story.found(story.get('p', { r: 3 })).values).toEqual(['X']);
    expect(story.failed(story.get('p', { r: 3, pr: 3 }))).toMatchObject({ need: 3, got: 2, from: 'owners' });
    expect(story.failed(story.get('p', { r: 3, sloppy: false }))).toMatchObject({
      need: 3,
      got: 2,
      from: 'owners',
    });
  });
});

describe('with two of three owners dead and five nodes', () => {
  it('sloppy writes go on, and everything is on the owners after they return', () => {
    const story = new Story({ seed: 20 });
    const { world, A, B } = story;
    const values: string[] = [];
    const put = (value: string) => {
      values.push(value);
      story.written(story.put(values.length % 2 === 0 ? 'p' : 'q', value, { w: 3 }));
    };
    put('before');
    for (const node of [A, B]) world.crash(node);
    for (let i = 0; i < 50; i++) put(`during ${String(i).padStart(2, '0')}`);
    for (const node of [A, B]) world.restart(node);
    story.untilDrained();
    put('then after');
    story.settle();
    for (const owner of story.owners) expect(story.holds(owner)).toEqual(values);
    expect(story.ownersAgree()).toBe(true);
    expect(story.hints()).toBe(0);
  });

  it('and with all three dead as well', () => {
    const story = without(21, ({ A, B, C }) => [A, B, C]);
    story.written(story.put('p', 'X'));
    const { context } = story.found(story.get('q'));
    story.written(story.put('q', 'Y', { context }));
    for (const owner of story.owners) story.world.restart(owner);
    story.untilDrained();
    expect(story.found(story.get('p')).values).toEqual(['Y']);
  });
});
