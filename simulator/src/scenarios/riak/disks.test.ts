import { MemoryStore } from '@circlet/storage/core/memory-store.ts';
import type { Table } from '@circlet/storage/core/store.ts';
import { describe, expect, it } from 'vitest';
import type { NewDisk } from '../../disk.ts';
import { keyNamed, Story } from '../../story.ts';

const keys = Array.from({ length: 40 }, (_, i) => keyNamed(`key ${i}`));

/** Everything that is put on any disk, counted. */
function countedDisks() {
  const puts: Record<Table, number> = { rows: 0, hints: 0 };
  class Counted extends MemoryStore {
    override put(...args: Parameters<MemoryStore['put']>): void {
      puts[args[0]]++;
      super.put(...args);
    }
  }
  const disks: NewDisk = (id) => {
    const store = new Counted(id);
    const open = () => {
      store.rollback();
      return store;
    };
    return { open };
  };
  return { disks, puts };
}

/** The pod has found out that its disk is full, or that there is room again. */
function fill({ world }: Story, node: string, isFull: boolean): void {
  const store: { readOnly: boolean } = world.store(node);
  store.readOnly = isFull;
}

describe('a pod whose disk is full', () => {
  // verify_readonly: the disk of one node turns read-only; writes must go on, through those who stand in for it.
  it('is read from and written round, and gets what it missed when there is room again', () => {
    const story = new Story({ seed: 1 });
    const { world, A } = story;
    const strict = { sloppy: false };
    for (const key of keys) story.written(story.put('p', 'old', { key, w: 3 }));
    fill(story, A, true);
    const puts = keys.map((key) => {
      const { context } = story.found(story.get('q', { key, r: 3, ...strict }));
      return story.put('q', 'new', { key, context, w: 3 });
    });
    for (const put of puts) {
      story.written(put);
      expect(put.tookMs).toBeLessThan(20);
    }
    // It kept nothing that it could not keep, and it goes on showing what it has.
    expect(story.holds(A)).toEqual([]);
    const owned = keys.filter((key) => story.ownersOf(key).includes(A));
    expect(owned.length).toBeGreaterThan(10);
    for (const key of owned) expect(story.holds(A, key)).toEqual(['old']);
    world.run(10_000);
    expect(story.found(story.get('p', { key: owned[0] ?? story.key, r: 3, ...strict })).values).toEqual([
      'new',
    ]);
    expect(story.hints()).toBe(owned.length);

    fill(story, A, false);
    story.untilDrained();
    for (const key of owned) expect(story.holds(A, key)).toEqual(['new']);
    expect(world.noticesOf('event_dropped')).toBe(0);
  });

  // verify_readonly, of everybody: what cannot be kept is refused as such, and reads do not go away with the writes.
  it('like all others leaves a cluster that is read and refuses to write, until there is room', () => {
    const story = new Story({ seed: 2, storage: 4 });
    const { world } = story;
    const context = story.written(story.put('p', 'X', { w: 3 }));
    for (const node of world.storage) fill(story, node, true);
    // Whoever is asked first finds them so; then it is known.
    expect(story.failed(story.put('q', 'Y', { context }))).toMatchObject({ outcome: 'none' });
    world.run(2_000);
    const leads = world.tap({ kind: 'lead' }, 'watch');
    for (let i = 0; i < 5; i++) {
      expect(story.failed(story.put('q', `Z${i}`, { context }))).toMatchObject({
        code: 'quorum_unavailable',
        outcome: 'none',
      });
      expect(story.found(story.get('q', { r: 3 })).values).toEqual(['X']);
    }
    expect(leads.seen).toBe(0);
    for (const node of world.storage) fill(story, node, false);
    world.run(3_000);
    story.written(story.put('p', 'after', { context, w: 3 }));
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(['after']);
  });

  // verify_readonly, to the last byte: not even what is on the disk already can be written there again.
  it('goes on being read when the commit that found it full was discarded', () => {
    const story = new Story({ seed: 5 });
    const { world, A } = story;
    story.written(story.put('p', 'X', { w: 3 }));
    world.fill(A, true);
    story.written(story.put('p', 'Y', { w: 3 }));
    world.run(3_000);
    expect(world.isRunning(A)).toBe(true);
    expect(story.found(story.get('q', { r: 3, pr: 3 })).values).toEqual(['X', 'Y']);
    expect(story.holds(A)).toEqual(['X']);
    world.fill(A, false);
    world.run(8_000);
    story.untilDrained();
    expect(story.holds(A)).toEqual(['X', 'Y']);
  });

  for (const how of ['lost', 'kept'] as const) {
    // verify_readonly: "node must crash so fallbacks start": a commit that failed may be on the disk or not.
    it(`or broken ends with the commit that failed, whether that was ${how}: others take the write, as one write`, () => {
      const story = new Story({ seed: 3 });
      const { world, A, B, C } = story;
      world.failCommit(A, how);
      const put = story.put('p', 'X', { timeoutMs: 2_000 });
      story.written(put);
      expect(world.isRunning(A)).toBe(false);
      expect([story.holds(A), story.holds(B), story.holds(C)]).toEqual([
        how === 'kept' ? ['X'] : [],
        ['X'],
        ['X'],
      ]);
      world.restart(A);
      world.run(3_000);
      story.untilDrained();
      expect(story.found(story.get('q', { r: 3 })).values).toEqual(['X']);
      story.settle();
      expect(story.ownersAgree()).toBe(true);
    });
  }
});

describe('a read of replicas that have all there is', () => {
  // verify_no_writes_on_read: reading the same object 100 times writes nothing.
  it('writes nothing, be it a value, siblings, a tombstone or nothing, with an owner away and hints for it as well', () => {
    const { disks, puts } = countedDisks();
    const story = new Story({ seed: 4, disks });
    const { world, A } = story;
    const one = keyNamed('one');
    const two = keyNamed('two');
    const gone = keyNamed('gone');
    const never = keyNamed('never');
    story.written(story.put('p', 'X', { key: one, w: 3 }));
    for (const value of ['X', 'Y']) story.written(story.put('p', value, { key: two, w: 3 }));
    const context = story.written(story.put('p', 'X', { key: gone, w: 3 }));
    story.written(story.remove('p', { key: gone, context, w: 3 }));
    story.settle();
    const reads = () => {
      const before = { ...puts };
      for (let i = 0; i < 100; i++) {
        for (const key of [one, two, gone, never, story.key]) {
          expect(story.found(story.get(i % 2 === 0 ? 'p' : 'q', { key })).values.length).toBeLessThan(3);
        }
      }
      story.settle();
      return puts.rows - before.rows + (puts.hints - before.hints);
    };
    expect(reads()).toBe(0);
    world.crash(A);
    world.run(3_000);
    story.written(story.put('p', 'X', { w: 3 }));
    story.settle();
    expect(story.hints()).toBe(1);
    expect(reads()).toBe(0);
  });
});
