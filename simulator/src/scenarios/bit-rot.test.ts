import { must } from '@circlet/shared/assert.ts';
import { Prng } from '@circlet/shared/prng.ts';
import { afterAll, expect, it } from 'vitest';
import { memoryDisk } from '../disk.ts';
import { SqliteDisk } from '../disks/sqlite-disk.ts';
import { keyNamed, Story } from '../story.ts';

const disks: SqliteDisk[] = [];
afterAll(() => {
  for (const disk of disks) disk.remove();
});

const ROUNDS = 250;
const FLIPS_MAX = 150;
const KEYS = Array.from({ length: 120 }, (_, i) => keyNamed(`k${i}`));

/** Flips so many bits anywhere in main file and log, or cuts one of them short; how many times. */
function rot(disk: SqliteDisk, random: () => number): number {
  let done = 0;
  disk.damage((file, bytes) => {
    if (bytes.length === 0) return bytes;
    if (random() < 0.1) {
      done++;
      return bytes.subarray(0, Math.floor(random() * bytes.length));
    }
    for (let flips = Math.ceil(random() ** 3 * FLIPS_MAX); flips > 0; flips--) {
      const bit = Math.floor(random() * bytes.length * 8);
      // The version of the file: what could be a later one's is refused, for an operator to look at.
      if (file === 'main' && bit >> 4 === 31) continue;
      bytes[bit >> 3] = must(bytes[bit >> 3], 'a byte') ^ (1 << (bit & 7));
      done++;
    }
    return bytes;
  });
  return done;
}

it('thousands of bits that turn in the files of one replica of three change no answer, spread nowhere, and are repaired (I14)', () => {
  const story = new Story({
    seed: 14,
    storage: 3,
    repair: { everyMs: 2_000, bytesPerSecond: 8_000_000, scrubRowsPerSecond: 200 },
    disks: (id) => {
      if (disks.length > 0) return memoryDisk(id);
      const disk = new SqliteDisk(id);
      disks.push(disk);
      return disk;
    },
  });
  const { world } = story;
  const random = new Prng(7).next;
  const first = must(disks[0], 'the first pod has it');
  const written = KEYS.map((key, i) => {
    const value = `value ${i}`.padEnd(i % 10 === 0 ? 9_000 : 20, '.');
    return { key, value, context: story.written(story.put('p', value, { key, w: 3 })) };
  });
  story.settle();
  const pick = (at: number) => must(written[at % written.length], 'there are keys');

  let damaged = 0;
  let answered = 0;
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    if (round % 3 === 0) world.stop('n1');
    else world.crash('n1');
    world.changeDisk('n1', () => {
      damaged += rot(first, random);
    });
    world.start('n1');
    for (let i = 0; i < 12; i++) {
      const { key, value } = pick(Math.floor(random() * KEYS.length));
      const call = story.get(i % 2 === 0 ? 'p' : 'q', { key, sloppy: i % 3 === 0 });
      if (story.answer(call).kind === 'read') {
        answered++;
        expect(story.found(call).values).toEqual([shown(value)]);
      } else {
        refused++;
      }
      world.run(i === 5 ? 10_000 : 300);
    }
    // Something goes into the log of each life.
    for (let i = 0; i < 4; i++) {
      const of = pick(7 * round + i);
      of.value = `round ${round}`.padEnd(20 + 50 * i, '.');
      of.context = story.written(story.put('p', of.value, { key: of.key, context: of.context }));
    }
    // Now and then it comes to an end with one damage before the next.
    if (round % 5 === 4) world.until(() => world.memberState('n1') === 'active', 120_000);
  }
  expect(damaged).toBeGreaterThan(10_000);
  // Both ways of repair: of rows, and of a file that was set aside.
  for (const event of ['row_suspect', 'refilled']) expect(world.noticed.get(event) ?? 0).toBeGreaterThan(15);
  expect(answered).toBeGreaterThan(0.95 * (answered + refused));

  // Whoever runs pods starts one that ends by itself.
  for (let i = 0; i < 60; i++) {
    if (!world.isRunning('n1')) world.start('n1');
    world.run(10_000);
  }
  expect(world.memberState('n1')).toBe('active');
  for (const { key, value } of written) {
    expect(story.ownersAgree(key)).toBe(true);
    const { values } = story.found(story.get('q', { key, r: 3, sloppy: false }));
    expect(values).toEqual([shown(value)]);
  }
}, 120_000);

/** As a story shows values. */
const shown = (value: string) => value.slice(0, 40);
