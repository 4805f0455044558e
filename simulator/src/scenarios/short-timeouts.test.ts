import { expect, it } from 'vitest';
import { Story } from '../story.ts';

/** Found by the simulator: seed 138 of the swarm as it was on 2026-11-27. */
it('a client whose timeout is shorter than a round trip does not make pods look dead to the others', () => {
  const story = new Story({ seed: 1 });
  const { world, owners } = story;
  world.bus.hopMs = () => 5;
  world.run(3_000);
  story.written(story.put('p', 'X', { w: 3, sloppy: false }));
  // A round trip is 20 ms; a quarter of this timeout is 12.
  const hasty = story.get('p', { timeoutMs: 50, r: 3 });
  world.run(15);
  expect(world.usable('p')).toEqual(expect.arrayContaining([...owners]));
  expect(story.found(story.get('p', { sloppy: false, r: 3 })).values).toEqual(['X']);
  expect(hasty.isOver).toBe(true);
});

it('and a pod that was silent is asked again as soon as it is heard', () => {
  const story = new Story({ seed: 2 });
  const { world, A } = story;
  story.written(story.put('p', 'X', { w: 3 }));
  world.freeze(A);
  story.put('p', 'Y', { timeoutMs: 2_000 });
  world.run(600);
  expect(world.usable('p')).not.toContain(A);
  world.thaw(A);
  world.run(5);
  expect(world.usable('p')).toContain(A);
});

it('but pods that leave one short request after the other unanswered are gone round', () => {
  const story = new Story({ seed: 3, storage: 6 });
  const { world, A, B } = story;
  story.written(story.put('p', 'X', { w: 3 }));
  story.settle();
  world.isolate(A);
  world.isolate(B);
  const kinds = Array.from(
    { length: 6 },
    (_, i) => story.answer(story.put('p', `x${i}`, { timeoutMs: 300 })).kind,
  );
  expect(kinds.slice(2)).toEqual(['written', 'written', 'written', 'written']);
});
