import { TIMEOUT_MS_MAX } from '@circlet/shared/protocol/limits.ts';
import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

describe('a damaged row that was repaired', () => {
  // A leads U and acknowledges it, its row is damaged, and a read repairs it from B and C, which do not have U yet. Then C gets
  // it: U is acknowledged by A and C. If A vouched for what it has now, a read of A and B would miss U with R+W > N.
  it('does not vouch while a write that it acknowledged may be on its way, however long that takes', () => {
    const story = new Story({ seed: 1, storage: 3 });
    const { world, A, B, C } = story;
    const strict = { sloppy: false };
    const slow = { ...strict, timeoutMs: TIMEOUT_MS_MAX };
    story.written(story.put('p', 'V', { w: 3 }));
    story.settle();
    const toB = world.tap({ from: 'p', to: B, kind: 'merge' }, 'drop');
    const toC = world.tap({ from: 'p', to: C, kind: 'merge' }, 'hold');
    const call = story.put('p', 'U', slow);
    world.until(() => toC.seen > 0, 1_000);
    expect(story.holds(A)).toEqual(['U', 'V']);
    story.damage(A);
    for (let i = 0; i < 28; i++) {
      expect(story.found(story.get('q', { ...slow, r: 2 })).values).toEqual(['V']);
      world.run(2_000);
    }
    expect([story.isSuspect(A), story.holds(A)]).toEqual([true, ['V']]);
    toC.release();
    story.written(call);
    toB.stop();
    world.isolate(C);
    for (let i = 0; i < 100; i++) {
      expect(story.failed(story.get('q', strict))).toMatchObject({ got: 1, need: 2 });
      world.run(2_000);
    }
    world.heal();
    world.run(3_000);
    story.found(story.get('q', strict));
    story.settle();
    expect([story.isSuspect(A), story.holds(A)]).toEqual([false, ['U', 'V']]);
  });

  it('is not healed by what was read long ago, by a coordinator that stood still since', () => {
    const story = new Story({ seed: 2, storage: 3 });
    const { world, A, C } = story;
    story.written(story.put('p', 'V', { w: 3 }));
    story.settle();
    story.damage(A);
    story.found(story.get('q'));
    story.settle();
    const late = world.tap({ from: C, to: 'q', kind: 'found' }, 'hold');
    const call = story.get('q');
    world.until(() => late.seen > 0, 1_000);
    world.run(50);
    world.freeze('q');
    late.release();
    story.untilHealable();
    world.thaw('q');
    world.run(100);
    expect(call.isOver).toBe(true);
    expect(story.isSuspect(A)).toBe(true);
  });

  it('waits anew after a restart, and is healed by the first read after that', () => {
    const story = new Story({ seed: 3, storage: 3 });
    const { world, A } = story;
    const read = () => {
      story.found(story.get('q'));
      story.settle();
    };
    story.written(story.put('p', 'V', { w: 3 }));
    story.settle();
    story.damage(A);
    read();
    story.untilHealable();
    world.restart(A);
    world.run(3_000);
    read();
    expect(story.isSuspect(A)).toBe(true);
    story.untilHealable();
    read();
    expect(story.isSuspect(A)).toBe(false);
  });

  it('keeps its history short though it is written for long before anybody reads it', () => {
    const story = new Story({ seed: 4, storage: 3 });
    const { A } = story;
    let context = story.written(story.put('p', 'first'));
    story.damage(A);
    for (let i = 0; i < 50; i++) context = story.written(story.put('p', `v${i}`, { context }));
    expect(story.isSuspect(A)).toBe(true);
    expect(story.stateAt(A)?.history.actors.length).toBeLessThan(5);
    expect(story.found(story.get('q')).values).toEqual(['v49']);
  });

  // Found by the simulator (seed 3 of the swarm as it was on 2026-11-27): each waited for the other to be whole, for ever.
  it('vouches again though another owner was damaged too: what both have lost, waiting does not bring back', () => {
    const story = new Story({ seed: 6, storage: 3 });
    const { A, B } = story;
    const read = () => {
      story.answer(story.get('q', { r: 3 }));
      story.settle();
    };
    story.written(story.put('p', 'V', { w: 3 }));
    story.settle();
    story.damage(A);
    story.damage(B);
    story.written(story.put('p', 'W', { w: 3 }));
    read();
    expect([story.isSuspect(A), story.isSuspect(B)]).toEqual([true, true]);
    story.untilHealable();
    read();
    expect([story.isSuspect(A), story.isSuspect(B)]).toEqual([false, false]);
    expect(story.found(story.get('p', { r: 3, sloppy: false })).values).toEqual(['V', 'W']);
    expect(story.ownersAgree()).toBe(true);
  });

  it('shows what only it has, and the others keep it', () => {
    const story = new Story({ seed: 7, storage: 3 });
    const { world, A, B, C } = story;
    story.written(story.put('p', 'V', { w: 3 }));
    story.settle();
    story.damage(A);
    const lost = world.tap({ to: [B, C], kind: 'merge', times: 2 }, 'drop');
    story.written(story.put('p', 'W', { w: 1 }));
    world.until(() => lost.seen === 2, 1_000);
    lost.stop();
    world.run(6_000);
    expect([story.holds(A), story.holds(B), story.holds(C)]).toEqual([['W'], ['V'], ['V']]);
    story.found(story.get('q'));
    story.settle();
    expect([story.holds(B), story.holds(C)]).toEqual([
      ['V', 'W'],
      ['V', 'W'],
    ]);
    expect(story.isSuspect(A)).toBe(true);
  });

  it('costs digest reads no more than a digest once it is equal, and does not keep others from being asked', () => {
    const story = new Story({ seed: 8, storage: 3 });
    const { world, A, C } = story;
    const context = story.written(story.put('p', 'V', { w: 3 }));
    story.settle();
    for (let i = 0; i < 30; i++) story.found(story.get('q'));
    story.damage(C);
    story.written(story.put('p', new Uint8Array(300_000), { context, w: 3 }));
    story.settle();
    story.found(story.get('q'));
    story.settle();
    expect(story.isSuspect(C)).toBe(true);
    const fromC = world.tap({ from: C, to: 'q', kind: 'found' }, 'watch');
    for (let i = 0; i < 10; i++) story.found(story.get('q'));
    expect(fromC.frames.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThan(10_000);
    // The one with the state is late: the suspect's is no reason not to hedge.
    world.tap({ from: A, to: 'q', kind: 'found' }, { delayMs: 3_000 });
    const call = story.get('q', { r: 1 });
    story.found(call);
    expect(call.tookMs).toBeLessThan(100);
  });

  // Found by the simulator (seed 5006 of 4d1fa20): a row that said nothing was left, and differed from none for ever.
  it('is gone when it is whole and nobody has anything: its owners are equal', () => {
    const story = new Story({ seed: 9, storage: 3 });
    const { world, A, B, C } = story;
    const lost = world.tap({ to: [B, C], kind: 'merge', times: 2 }, 'drop');
    story.written(story.put('p', 'V', { w: 1 }));
    world.until(() => lost.seen === 2, 1_000);
    lost.stop();
    world.run(6_000);
    story.damage(A);
    for (let i = 0; i < 2; i++) {
      story.answer(story.get('q', { r: 3 }));
      story.settle();
      expect([story.isSuspect(A), story.holds(A)]).toEqual([true, []]);
    }
    story.untilHealable();
    story.answer(story.get('q', { r: 3 }));
    story.settle();
    expect([story.row(A), story.row(B), story.row(C)]).toEqual([undefined, undefined, undefined]);
    expect(story.found(story.get('q', { r: 3, sloppy: false }))).toMatchObject({ values: [], tombstones: 0 });
  });

  // B and C may each have what A and the other lack. Without C nobody can tell what A has lost.
  it('does not vouch while another owner is away: values are answered in sloppy mode, nothing else is, until it is back', () => {
    const story = new Story({ seed: 5, storage: 3 });
    const { world, A, B, C } = story;
    const strict = { sloppy: false };
    const context = story.written(story.put('p', 'V', { w: 3 }));
    story.settle();
    world.crash(C);
    story.damage(A);
    world.run(3_000);
    const written = story.written(story.put('p', 'W', { context, ...strict }));
    for (let i = 0; i < 3; i++) {
      expect(story.found(story.get('q')).values).toEqual(['W']);
      expect(story.found(story.get('q', { context: written })).values).toEqual(['W']);
      expect(story.failed(story.get('q', strict))).toMatchObject({
        code: 'quorum_unavailable',
        need: 2,
        got: 1,
      });
      story.untilHealable();
    }
    const deleted = story.written(story.remove('p', { context: written, ...strict }));
    expect(story.row(A)?.digest).toBe(story.row(B)?.digest);
    expect(story.failed(story.get('q'))).toMatchObject({ code: 'quorum_unavailable', need: 2, got: 1 });
    expect(story.failed(story.remove('q'))).toMatchObject({ outcome: 'none' });
    // Writes that name what they replace need no read, and go on.
    const again = story.written(story.put('p', 'X', { context: deleted, ...strict }));
    story.written(story.remove('p', { context: again, ...strict }));
    world.restart(C);
    world.run(3_000);
    story.found(story.get('q'));
    story.settle();
    expect(story.isSuspect(A)).toBe(false);
    expect(story.found(story.get('q', { ...strict, r: 3 }))).toMatchObject({ values: [], tombstones: 1 });
  });
});
