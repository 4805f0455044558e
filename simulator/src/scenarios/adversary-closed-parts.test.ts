import type { MessageOf } from '@circlet/shared/protocol/message.ts';
import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

/**
 * ADVERSARY. `WriteOperation.parts` is one array for all attempts. Two leads that both answer `closed` with a state in
 * parts, interleaved on the wire (first part of A, first part of B, last part of A), are assembled into one state: B's
 * first part with A's last part and A's whole history. What was in A's first part and not in B's is thereby claimed dead,
 * and the coordinator sends that to everybody.
 */
function value(name: string, kib: number): Uint8Array {
  const bytes = new Uint8Array(kib * 1024).fill(32);
  new TextEncoder().encodeInto(name, bytes);
  return bytes;
}

const trimmed = (values: readonly string[]) => values.map((each) => each.trim());

describe('two leads that answer "closed" in parts', () => {
  it('do not make an acknowledged write disappear', () => {
    // The order of the parts is that of random write-ids: try some seeds until the groups fall as described.
    const outcomes: string[] = [];
    for (let seed = 1; seed <= 40 && !outcomes.some((each) => each.startsWith('lost')); seed++) outcomes.push(attempt(seed));
    expect(outcomes.filter((each) => each.startsWith('lost'))).toEqual([]);
  });
});

function attempt(seed: number): string {
  const story = new Story({ seed, storage: 3 });
  const { world, A, B } = story;
  // X is written under an Idempotency-Key and superseded by Y: X is closed everywhere.
  const x = { idempotencyKey: 'i' };
  const context = story.written(story.put('p', 'X', { ...x, w: 3 }));
  story.settle(100);
  story.written(story.put('p', 'Y', { context, w: 3 }));
  story.settle(100);
  // Three large values, all acknowledged by two owners at least; B misses "b".
  story.written(story.put('p', value('a', 512), { w: 3 }));
  const cut = world.tap({ to: B, kind: 'merge' }, 'drop');
  story.written(story.put('p', value('b', 300), { w: 2 }));
  story.settle(5_000);
  cut.stop();
  world.run(2_000);
  story.written(story.put('p', value('c', 512), { w: 3 }));
  story.settle(5_000);
  if (trimmed(story.holds(B)).includes('b') || !trimmed(story.holds(A)).includes('b')) return 'b came to B';

  // The client repeats X. A is slow, so B is asked too; both say "closed", and their frames interleave.
  const isPart = (n: number) => (m: object) => (m as MessageOf<'led'>).part === n;
  const [a0, a1] = [0, 1].map((n) => world.tap({ from: A, kind: 'led', where: isPart(n) }, 'hold'));
  const [b0, b1] = [0, 1].map((n) => world.tap({ from: B, kind: 'led', where: isPart(n) }, 'hold'));
  if (a0 === undefined || a1 === undefined || b0 === undefined || b1 === undefined) throw new Error('taps');
  const again = story.put('p', 'X', x);
  world.until(() => a1.seen > 0 && b1.seen > 0, 4_000);
  if (a1.seen === 0 || b1.seen === 0) return `one part only: ${a0.seen} ${a1.seen} ${b0.seen} ${b1.seen}`;
  a0.release();
  world.run(10);
  b0.release();
  world.run(10);
  a1.release();
  world.run(500);
  b1.release();
  const answer = story.answer(again);
  story.settle(3_000);
  const all = story.answer(story.get('q', { r: 3, sloppy: false }));
  if (all.kind !== 'read') return `${answer.kind}, then ${JSON.stringify(all)}`;
  story.settle();
  const left = trimmed(story.found(story.get('q', { r: 3 })).values);
  return left.includes('a') && left.includes('b') && left.includes('c') && left.includes('Y')
    ? `kept (${answer.kind})`
    : `lost: ${left.join()} is left of Y,a,b,c; A holds ${trimmed(story.holds(A)).join()}`;
}
