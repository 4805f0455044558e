import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

const BYTES_PER_MS = 1_500;

describe('a refill (rule 13)', () => {
  // Found by a review: a place that takes longer than silence is given was asked for anew, and came again, for ever.
  it('ends though one key is larger than what comes within seconds', () => {
    const story = new Story({ seed: 11, storage: 3 });
    const { world, A } = story;
    for (let i = 0; i < 16; i++)
      story.written(story.put('p', new Uint8Array(500_000).fill(i), { w: 3, timeoutMs: 30_000 }));
    story.settle(5_000);
    world.crash(A);
    world.wipe(A);
    world.run(20_000);
    // A link of 1.5 MB a second, in order.
    const freeMs = new Map<string, number>();
    const carried = new Set<unknown>();
    const slow = world.tap(
      {
        to: A,
        kind: 'refillTold',
        where: (_, frame) => {
          if (carried.has(frame)) return true;
          carried.add(frame);
          const atMs = Math.max(world.nowMs, freeMs.get(frame.from) ?? 0) + frame.bytes.length / BYTES_PER_MS;
          freeMs.set(frame.from, atMs);
          world.bus.forward(frame, atMs - world.nowMs);
          return true;
        },
      },
      'drop',
    );
    world.start(A);
    expect(world.until(() => world.memberState(A) === 'active', 120_000)).toBeDefined();
    expect(slow.seen).toBeGreaterThan(10);
  });
});
