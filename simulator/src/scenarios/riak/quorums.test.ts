import { describe, expect, it } from 'vitest';
import { Story } from '../../story.ts';

const strict = { sloppy: false };

describe('PR and PW', () => {
  // pr_pw: with failure detection that has not noticed anything yet.
  it('are not met by who stands in for an owner that hangs under the read', () => {
    const story = new Story({ seed: 1 });
    const { world, C } = story;
    story.written(story.put('p', 'X', { w: 3 }));
    world.freeze(C);
    const read = story.get('p', { r: 2, pr: 3, timeoutMs: 800 });
    expect(story.failed(read)).toMatchObject({ need: 3, got: 2, from: 'owners' });
    expect(read.tookMs).toBeLessThan(900);
    expect(story.found(story.get('q', { r: 2, pr: 2 })).values).toEqual(['X']);
  });

  // pr_pw: with owners whose backend fails: they are up, and cannot keep anything.
  it('count owners whose disks are full for reading and not for writing', () => {
    const story = new Story({ seed: 2 });
    const { world, B, C, D, E } = story;
    story.written(story.put('p', 'X', { w: 3 }));
    const disks: readonly { readOnly: boolean }[] = [world.store(B), world.store(C)];
    for (const disk of disks) disk.readOnly = true;
    const pw = { w: 2, pw: 2 };
    // Nobody has heard yet that they are full; then everybody has.
    expect(story.failed(story.put('p', 'Y', pw))).toMatchObject({ need: 2, got: 1, from: 'owners' });
    world.run(2_000);
    const leads = world.tap({ kind: 'lead' }, 'watch');
    expect(story.failed(story.put('p', 'Z', pw))).toMatchObject({ need: 2, got: 1, outcome: 'none' });
    expect(leads.seen).toBe(0);
    story.written(story.put('p', 'V', { w: 3, pw: 1 }));
    expect([story.holds(D), story.holds(E)].flat()).toContain('V');
    expect(story.found(story.get('p', { r: 3, pr: 3 })).values).toEqual(['V', 'X', 'Y']);
    for (const disk of disks) disk.readOnly = false;
    world.run(3_000);
    story.untilDrained();
    expect(story.holds(B)).toEqual(['V', 'X', 'Y']);
  });

  // node_confirms_vs_pw, verify_put_opt_node_confirms: PW asks for owners, W for different pods, of which enough must be left.
  it('ask for owners where W asks for pods: with two owners dead one is refused, and the other until pods run out', () => {
    const story = new Story({ seed: 3 });
    const { world, B, C, E } = story;
    for (const node of [B, C]) world.crash(node);
    world.run(3_000);
    expect(story.failed(story.put('p', '1', { pw: 2 }))).toMatchObject({ need: 2, got: 1, outcome: 'none' });
    story.written(story.put('p', '2', { w: 3 }));
    world.crash(E);
    world.run(3_000);
    expect(story.failed(story.put('p', '3', { w: 3 }))).toMatchObject({
      code: 'quorum_unavailable',
      need: 3,
      got: 2,
      from: 'any',
      outcome: 'none',
    });
    story.written(story.put('p', '4', { w: 2 }));
    expect(story.failed(story.get('p', { r: 3 }))).toMatchObject({ need: 3, got: 2, from: 'any' });
    for (const node of [B, C, E]) world.restart(node);
    world.run(3_000);
    story.untilDrained();
    expect(story.found(story.get('q', { r: 3, pr: 3 })).values).toEqual(['2', '4']);
  });
});

describe('a read of R owners after a write to W, of N, with R+W > N', () => {
  // Cassandra consistency_test: the fewest have the write, and as few as possible of them are asked.
  for (const [w, r] of [
    [1, 3],
    [2, 2],
    [2, 3],
    [3, 1],
    [3, 2],
  ] as const) {
    it(`shows it whoever was away, with W=${w} and R=${r}`, () => {
      for (let first = 0; first < 3; first++) {
        const story = new Story({ seed: 10 + first, storage: 3 });
        const { world, owners } = story;
        const turned = owners.map((_, i) => owners[(i + first) % 3] ?? '');
        const context = story.written(story.put('p', 'old', { w: 3 }));
        // Those that miss the write are asked, and as many of the others as it takes, as soon as it is acknowledged.
        world.cut('p', turned.slice(w));
        world.cut('q', turned.slice(0, 3 - r));
        world.run(4_000);
        world.tap({ from: 'p', kind: 'merge' }, { delayMs: 50 });
        story.written(story.put('p', 'new', { context, w, ...strict }));
        expect(story.found(story.get('q', { r, ...strict })).values).toEqual(['new']);
      }
    });
  }
});

describe('monotonic reads', () => {
  // Cassandra read_repair_test: what a client was shown it is shown again, though nothing was repaired in between.
  it('what a client was shown it is shown again, or told that it cannot be', () => {
    const story = new Story({ seed: 20, storage: 3 });
    const { world, A, B, C } = story;
    const context = story.written(story.put('p', 'old', { w: 3 }));
    const lost = world.tap({ to: [B, C], kind: 'merge' }, 'drop');
    story.failed(story.put('p', 'new', { context, timeoutMs: 300 }));
    const shown = story.found(story.get('p'));
    expect(shown.values).toEqual(['new']);
    // Its coordinator dies before anything is repaired, and so does the only one that has it.
    for (const pod of ['p', A]) world.crash(pod);
    world.run(3_000);
    lost.stop();
    expect(story.found(story.get('q')).values).toEqual(['old']);
    expect(story.failed(story.get('q', { context: shown.context }))).toEqual({ code: 'stale_replicas' });
    world.restart(A);
    world.run(3_000);
    expect(story.found(story.get('q', { context: shown.context })).values).toEqual(['new']);
    story.settle();
    // And by then all owners have it.
    expect([story.holds(B), story.holds(C)]).toEqual([['new'], ['new']]);
  });
});

describe('a timeout', () => {
  // verify_api_timeouts: GET, PUT and DELETE with a short timeout are answered by then, and a long one is waited for.
  it('is kept by every request when replicas are slow, and a longer one is time enough', () => {
    const story = new Story({ seed: 30 });
    const { world } = story;
    const context = story.written(story.put('p', 'X', { w: 3 }));
    for (const kind of ['lead', 'read'] as const) world.tap({ kind }, { delayMs: 400 });
    const short = { timeoutMs: 100 };
    const late = [
      { call: story.get('p', short), failure: { code: 'timeout', need: 2, got: 0, outcome: undefined } },
      { call: story.put('q', 'Y', short), failure: { code: 'timeout', outcome: 'unknown' } },
      { call: story.remove('p', { ...short, context }), failure: { code: 'timeout', outcome: 'unknown' } },
      // This one reads first, so nothing is written by then, or ever.
      { call: story.remove('q', short), failure: { code: 'quorum_unavailable', outcome: 'none' } },
    ];
    for (const { call, failure } of late) {
      expect(story.failed(call)).toMatchObject(failure);
      expect(call.tookMs).toBeLessThan(101);
    }
    world.run(3_000);
    const long = { timeoutMs: 4_000 };
    expect(story.found(story.get('p', long)).values).toEqual(['X']);
    story.written(story.put('q', 'Z', { ...long, context }));
    expect(story.found(story.get('p', long)).values).toEqual(['Z']);
  });

  // verify_api_timeouts: nobody is given up for good who takes most of the time there is.
  it('that slow replicas keep is not over before it is: all the same how slow they are, and who stands in', () => {
    for (const [storage, timeoutMs, delayMs] of [
      [5, 5_000, 2_600],
      [5, 5_000, 4_900],
      [3, 5_000, 1_300],
      [5, 100, 90],
    ] as const) {
      const story = new Story({ seed: 31, storage });
      const { world } = story;
      story.written(story.put('p', 'X', { w: 3 }));
      for (const kind of ['lead', 'read'] as const) world.tap({ kind }, { delayMs });
      const write = story.put('q', 'Y', { key: story.anotherKey(), timeoutMs });
      const reads = [{}, { r: 3, pr: 3 }, strict].map((asking) => story.get('p', { ...asking, timeoutMs }));
      story.written(write);
      for (const read of reads) {
        expect(story.found(read).values).toEqual(['X']);
        expect(read.tookMs).toBeLessThan(delayMs + 10);
      }
    }
  });

  it('is used for R replicas, also by a read that would give way: the first that is slow is not all there is', () => {
    const story = new Story({ seed: 32, storage: 3 });
    const { world, A, B, C } = story;
    const context = story.written(story.put('p', 'old', { w: 3 }));
    world.isolate(A);
    story.written(story.put('p', 'new', { context, w: 2, ...strict }));
    world.heal();
    world.until(() => world.usable('q').length === 3, 5_000);
    expect([A, B, C].map((owner) => story.holds(owner))).toEqual([['old'], ['new'], ['new']]);
    world.tap({ to: A, kind: 'read' }, { delayMs: 2_600 });
    world.tap({ to: [B, C], kind: 'read' }, { delayMs: 2_700 });
    expect(story.found(story.get('q')).values).toEqual(['new']);
  });

  it('is over when the last that was silent is known to be gone, however much of it is left', () => {
    const story = new Story({ seed: 33, storage: 3 });
    const { world, A, B, C } = story;
    story.written(story.put('p', 'X', { w: 3 }));
    for (const node of [A, B, C]) world.freeze(node);
    const read = story.get('p', { timeoutMs: 20_000 });
    world.run(6_000);
    expect(read.isOver).toBe(false);
    for (const node of [A, B, C]) world.crash(node);
    world.run(1_500);
    expect(read.answer).toMatchObject({ failure: { code: 'quorum_unavailable', need: 2, got: 0 } });
  });
});
