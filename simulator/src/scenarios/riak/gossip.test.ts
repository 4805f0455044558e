import { describe, expect, it } from 'vitest';
import { World } from '../../world.ts';

/** What a pod says of another in its last echo. */
function says(world: World, of: string, about: string): string | undefined {
  const pulse = world.coordinator('p').pulseOf(of);
  return pulse?.members.find(({ name }) => name === about)?.status;
}

const running = (world: World) => world.storage.filter((id) => world.isRunning(id));
const allSay = (world: World, about: string, status: string) =>
  running(world)
    .filter((id) => id !== about)
    .every((id) => says(world, id, about) === status);

describe('news of a pod', () => {
  // cluster_meta_rmr: nodes fail one after the other, and each broadcast still reaches all that are left.
  it('reaches all that are left, while one after the other dies, and all when they come back', () => {
    const world = new World({ seed: 1, storage: 9 });
    world.tap({ kind: 'swim', where: () => world.random.next() < 0.1 }, 'drop');
    world.run(3_000);
    const dead = world.storage.slice(4);
    for (const id of dead) {
      world.crash(id);
      // Each on its own would need 15 s: a round of probes and the longest suspicion.
      const tookMs = world.until(() => allSay(world, id, 'down'), 60_000) ?? Number.POSITIVE_INFINITY;
      expect(tookMs).toBeLessThan(12_000);
    }
    for (const id of dead) world.restart(id);
    const isWhole = () => world.storage.every((id) => allSay(world, id, 'alive'));
    expect(world.until(isWhole, 10_000)).toBeDefined();
  });

  // verify_down: a node that is down is known to be down by everybody, and is welcome when it is back.
  it('that is only said to be down, by those who cannot hear it, is set right by the pod itself', () => {
    const world = new World({ seed: 2, storage: 5 });
    world.run(3_000);
    // Nobody hears n3, and it hears everybody.
    for (const id of world.storage) if (id !== 'n3') world.cutOneWay('n3', id);
    expect(world.until(() => says(world, 'n1', 'n3') === 'down', 60_000)).toBeDefined();
    world.heal();
    expect(world.until(() => allSay(world, 'n3', 'alive'), 10_000)).toBeDefined();
    world.run(60_000);
    for (const id of world.storage) expect(allSay(world, id, 'alive')).toBe(true);
  });
});
