import type { HintPage } from '@circlet/shared/protocol/hint.ts';
import { describe, expect, it } from 'vitest';
import { HintPulls } from './hint-pull.ts';
import { keyOf } from './ring.case.ts';

const NO_KEY = new Uint8Array(0);
type Entry = HintPage['entries'][number];

function entry(name: string, part = 0, parts = 1, digest = `digest of ${name}`): Entry {
  return {
    key: keyOf(name),
    digest: digest.padEnd(16).slice(0, 16),
    part,
    parts,
    sole: [],
    requires: [],
    state: NO_KEY,
  };
}

const page = (id: number, entries: readonly Entry[], next?: string, more = false): HintPage => ({
  id,
  entries,
  more,
  next: next === undefined ? NO_KEY : keyOf(next),
});

/** Begins a pull from `h` at 0 ms and says its id. */
function begun(): { pulls: HintPulls; id: number } {
  const pulls = new HintPulls(100);
  const { id } = pulls.offered('h', 3, 0) ?? { id: -1 };
  return { pulls, id };
}

describe('a pull', () => {
  it('begins with an offer, at the first key', () => {
    const pulls = new HintPulls(100);
    expect(pulls.offered('h', 3, 0)).toEqual({ id: 101, after: NO_KEY });
  });

  it('runs once for each holder, whatever the others do', () => {
    const pulls = new HintPulls(100);
    expect(pulls.offered('h', 3, 0)?.id).toBe(101);
    expect(pulls.offered('h', 3, 1000)).toBeUndefined();
    expect(pulls.offered('g', 1, 1000)?.id).toBe(102);
  });

  it('acknowledges what was taken, with the digests it came with, and goes on behind the page', () => {
    const { pulls, id } = begun();
    const taken = [entry('a'), entry('b')];
    const { ack, pull } = pulls.merged('h', page(id, taken, 'b'), taken, 10);
    expect(ack.entries).toEqual(taken.map(({ key, digest }) => ({ key, digest })));
    expect(pull).toEqual({ id: id + 1, after: keyOf('b') });
    expect([pulls.expects('h', page(id, [])), pulls.expects('h', page(id + 1, []))]).toEqual([false, true]);
  });

  it('does not acknowledge what could not be merged', () => {
    const { pulls, id } = begun();
    const entries = [entry('a'), entry('b')];
    const { ack } = pulls.merged('h', page(id, entries), entries.slice(1), 10);
    expect(ack.entries).toEqual([{ key: keyOf('b'), digest: entries[1]?.digest }]);
  });

  it('ends with a page that has no cursor, and the next offer begins another', () => {
    const { pulls, id } = begun();
    const { pull } = pulls.merged('h', page(id, []), [], 10);
    expect(pull).toBeUndefined();
    expect(pulls.expects('h', page(id, []))).toBe(false);
    expect(pulls.offered('h', 1, 20)?.id).toBe(id + 1);
  });

  it('goes on after an empty page that has a cursor', () => {
    const { pulls, id } = begun();
    expect(pulls.merged('h', page(id, [], 'z'), [], 10).pull?.after).toEqual(keyOf('z'));
  });

  it('remembers the cursor after the frame that it came in is gone', () => {
    const { pulls, id } = begun();
    const last = page(id, [], 'z');
    const { pull } = pulls.merged('h', last, [], 10);
    last.next.fill(0);
    expect(pull?.after).toEqual(keyOf('z'));
  });

  it('takes no page that it did not ask for: another holder’s, an earlier one, the same again', () => {
    const { pulls, id } = begun();
    expect(pulls.expects('g', page(id, []))).toBe(false);
    expect(pulls.expects('h', page(id - 1, []))).toBe(false);
    expect(new HintPulls(5).expects('h', page(6, []))).toBe(false);
    pulls.merged('h', page(id, [entry('a')], 'a'), [entry('a')], 10);
    expect(pulls.expects('h', page(id, []))).toBe(false);
  });
});

const part = (i: number, name = 'a') => entry(name, i, 3);

const take = (pulls: HintPulls, id: number, entries: readonly Entry[], next?: string, more = false) =>
  pulls.merged('h', page(id, entries, next, more), entries, 10);

describe('a state in several parts', () => {
  it('is acknowledged once, when all of them were merged', () => {
    const { pulls, id } = begun();
    const acks = [0, 1, 2].map((i) => take(pulls, id, [part(i)], undefined, i < 2).ack.entries.length);
    expect(acks).toEqual([0, 0, 1]);
  });

  it('is not acknowledged when a frame was lost or came twice', () => {
    const { pulls, id } = begun();
    const acks = [0, 0, 2].map((i, n) => take(pulls, id, [part(i)], undefined, n < 2).ack.entries.length);
    expect(acks).toEqual([0, 0, 0]);
  });

  it('keeps its frames under one pull until the last of them', () => {
    const { pulls, id } = begun();
    expect(take(pulls, id, [part(0)], undefined, true).pull).toBeUndefined();
    expect(pulls.expects('h', page(id, []))).toBe(true);
    expect(take(pulls, id, [part(1), part(2)], 'a').pull?.after).toEqual(keyOf('a'));
  });

  it('is another state when the holder’s changed in between: parts of two do not make one', () => {
    const { pulls, id } = begun();
    take(pulls, id, [part(0), part(1)], undefined, true);
    const changed = entry('a', 2, 3, 'newer digest');
    expect(take(pulls, id, [changed]).ack.entries).toEqual([]);
  });

  it('is counted from nothing when the pull begins again', () => {
    const { pulls, id } = begun();
    take(pulls, id, [part(0), part(1)], undefined, true);
    const again = pulls.offered('h', 1, 5000);
    expect(take(pulls, again?.id ?? -1, [part(2)]).ack.entries).toEqual([]);
  });
});

describe('a pull that hears nothing', () => {
  it('is given up after two seconds, and an offer begins it again from the first key', () => {
    const { pulls, id } = begun();
    pulls.merged('h', page(id, [entry('a')], 'a'), [entry('a')], 500);
    expect(pulls.offered('h', 2, 2400)).toBeUndefined();
    const again = pulls.offered('h', 2, 2500);
    expect(again).toEqual({ id: id + 2, after: NO_KEY });
    // The page that was lost comes after all.
    expect(pulls.expects('h', page(id + 1, []))).toBe(false);
  });

  it('is not given up while frames of a large state still come', () => {
    const { pulls, id } = begun();
    for (const ms of [1500, 3000, 4500]) pulls.merged('h', page(id, [], undefined, true), [], ms);
    expect(pulls.offered('h', 1, 6000)).toBeUndefined();
    expect(pulls.offered('h', 1, 6500)?.id).toBe(id + 1);
  });
});

describe('who owes us', () => {
  it('is who offered lately, by name', () => {
    const pulls = new HintPulls(0);
    expect(pulls.owedBy(0)).toEqual([]);
    pulls.offered('h', 3, 0);
    pulls.offered('g', 1, 2000);
    expect(pulls.owedBy(4000)).toEqual(['g', 'h']);
    expect(pulls.owedBy(6000)).toEqual(['g']);
    expect(pulls.owedBy(8000)).toEqual([]);
  });

  it('is not who says that nothing is left', () => {
    const pulls = new HintPulls(0);
    pulls.offered('h', 3, 0);
    expect(pulls.offered('h', 0, 10)).toBeUndefined();
    expect(pulls.owedBy(10)).toEqual([]);
  });

  it('still is while it repeats its offer, though the pull is running', () => {
    const pulls = new HintPulls(0);
    for (let ms = 0; ms <= 9000; ms += 1000) pulls.offered('h', 3, ms);
    expect(pulls.owedBy(12_000)).toEqual(['h']);
  });
});
