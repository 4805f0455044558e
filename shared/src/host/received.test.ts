import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TIMEOUT_MS_MAX } from '../protocol/limits.ts';
import { Received } from './received.ts';

const WINDOW = 65_536;
const [A, B] = ['AAAAAAAAAAA', 'BBBBBBBBBBB'];

/** What it must do, in the fewest words: a set, and the highest number, under which the window ends. */
class Model {
  private readonly seen = new Set<number>();
  highest = -1;

  isFirst(number: number): boolean {
    const isNew = number > this.highest - WINDOW && !this.seen.has(number);
    this.seen.add(number);
    this.highest = Math.max(this.highest, number);
    return isNew;
  }
}

/** How the next number lies to the highest: mostly near it, often at an edge of the window or of a word, at times far. */
const jumps = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -40, max: 3 }) },
  { weight: 2, arbitrary: fc.integer({ min: -WINDOW - 3, max: -WINDOW + 40 }) },
  { weight: 2, arbitrary: fc.integer({ min: WINDOW - 40, max: WINDOW + 3 }) },
  { weight: 2, arbitrary: fc.integer({ min: -WINDOW, max: WINDOW }) },
  { weight: 1, arbitrary: fc.constantFrom(32, 64, -32, -64, 2 * WINDOW, -2 * WINDOW, 10 * WINDOW + 7) },
);
const starts = fc.constantFrom(0, 1, WINDOW - 20, 2 ** 31 - 20, 2 ** 32 - 20, 2 ** 32 + WINDOW - 20, 2 ** 52);

describe('which frames have been seen', () => {
  it('are exactly those that were there, as far back as the window goes; older ones count as seen', () => {
    const seen = { first: 0, copy: 0, old: 0 };
    fc.assert(
      fc.property(starts, fc.array(jumps, { maxLength: 120, size: 'max' }), (start, asked) => {
        const received = new Received();
        const model = new Model();
        let number = start;
        for (const jump of asked) {
          const isOld = number <= model.highest - WINDOW;
          const isFirst = model.isFirst(number);
          seen[isOld ? 'old' : isFirst ? 'first' : 'copy']++;
          expect(received.isFirst(A, number, 0)).toBe(isFirst);
          number = Math.max(0, model.highest + jump);
        }
      }),
      { numRuns: 150 },
    );
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(100);
  });

  it('are told apart by sender, each with a window of its own', () => {
    const steps = fc.array(fc.record({ boot: fc.constantFrom(A, B, 'CCCCCCCCCCC'), jump: jumps }), {
      maxLength: 80,
      size: 'max',
    });
    fc.assert(
      fc.property(steps, (asked) => {
        const received = new Received();
        const models = new Map<string, Model>();
        for (const { boot, jump } of asked) {
          const model = models.get(boot) ?? new Model();
          models.set(boot, model);
          const number = Math.max(0, model.highest + jump);
          expect(received.isFirst(boot, number, 0)).toBe(model.isFirst(number));
        }
      }),
      { numRuns: 100 },
    );
  });

  it('are every one of a long row, once, in order and in reverse', () => {
    const received = new Received();
    for (let n = 0; n < 3 * WINDOW; n++) expect(received.isFirst(A, n, 0)).toBe(true);
    for (let n = 3 * WINDOW; n-- > 0; ) if (received.isFirst(A, n, 0)) expect.unreachable(`${n} twice`);
    for (let n = WINDOW; n-- > 0; ) expect(received.isFirst(B, n, 0)).toBe(true);
  });
});

describe('the edges of the window', () => {
  it('the oldest number in it is known, and one older counts as seen though it never was', () => {
    const received = new Received();
    const highest = 3 * WINDOW;
    received.isFirst(A, highest, 0);
    expect(received.isFirst(A, highest - WINDOW, 0)).toBe(false);
    expect([
      received.isFirst(A, highest - WINDOW + 1, 0),
      received.isFirst(A, highest - WINDOW + 1, 0),
    ]).toEqual([true, false]);
  });

  it.each([WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW, 100 * WINDOW, 2 ** 40])(
    'after a jump by %i what lies between has not been seen',
    (jump) => {
      const received = new Received();
      for (let n = 0; n < 100; n++) received.isFirst(A, n, 0);
      const highest = 99 + jump;
      expect(received.isFirst(A, highest, 0)).toBe(true);
      // Each has the place in the window that one of the first hundred had.
      for (let n = Math.max(100, highest - WINDOW + 1); n < highest; n += 7) {
        if (!received.isFirst(A, n, 0)) expect.unreachable(`${n} was never there`);
      }
      expect(received.isFirst(A, highest, 0)).toBe(false);
    },
  );

  // Bits are found with 32-bit arithmetic.
  it.each([2 ** 31, 2 ** 32, 2 ** 32 * WINDOW, Number.MAX_SAFE_INTEGER - WINDOW])(
    'numbers wrap nothing: %i and those behind it are not those of the beginning',
    (base) => {
      const received = new Received();
      for (let n = 0; n < 64; n++) received.isFirst(A, n, 0);
      for (let n = 0; n < 64; n++) expect(received.isFirst(A, base + n, 0)).toBe(true);
      for (let n = 0; n < 64; n++) {
        expect([received.isFirst(A, base + n, 0), received.isFirst(A, n, 0)]).toEqual([false, false]);
      }
    },
  );
});

describe('a sender', () => {
  it('that goes on is remembered for ever, however slowly it speaks', () => {
    const received = new Received();
    received.isFirst(A, 0, 0);
    const pause = TIMEOUT_MS_MAX + 30_000;
    for (let i = 1; i < 200; i++) {
      expect(received.isFirst(A, i, i * pause)).toBe(true);
      expect(received.isFirst(A, 0, i * pause)).toBe(false);
    }
  });

  it('that only its copies are heard of is remembered too', () => {
    const received = new Received();
    received.isFirst(A, 7, 0);
    for (let nowMs = 0; nowMs < 3_600_000; nowMs += 100_000)
      expect(received.isFirst(A, 7, nowMs)).toBe(false);
  });

  // What it could still repeat has a deadline of at most TIMEOUT_MS_MAX, and is refused as expired.
  it('that is silent for twice the longest deadline is forgotten, and no sooner', () => {
    const received = new Received();
    received.isFirst(A, 7, 1000);
    received.isFirst(B, 0, 1000 + 2 * TIMEOUT_MS_MAX);
    expect(received.isFirst(A, 7, 1000 + 2 * TIMEOUT_MS_MAX)).toBe(false);
    expect(received.isFirst(A, 7, 1000 + 10 * TIMEOUT_MS_MAX)).toBe(true);
    expect(received.isFirst(A, 7, 1000 + 10 * TIMEOUT_MS_MAX)).toBe(false);
  });

  it('is forgotten while others speak: what is remembered is bounded by who spoke lately', () => {
    const received = new Received();
    const boots = Array.from({ length: 2000 }, (_, i) => `boot-${String(i).padStart(6, '0')}`);
    boots.forEach((boot, i) => received.isFirst(boot, 5, i * 1000));
    const nowMs = 2_000_000;
    const remembered = boots.filter((boot) => !received.isFirst(boot, 5, nowMs));
    expect(remembered.length).toBeLessThanOrEqual(241);
    expect(remembered.length).toBeGreaterThanOrEqual(119);
  });

  it('costs 8 KiB: a thousand of them fit in a few megabytes', () => {
    const received = new Received();
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 1000; i++) received.isFirst(`boot-${i}`, 1, 0);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * 1024 * 1024);
    expect(received.isFirst('boot-0', 1, 0)).toBe(false);
  });
});
