import { describe, expect, it } from 'vitest';
import type { Call } from '../call.ts';
import { Story } from '../story.ts';

describe('siblings are exact (I4)', () => {
  it('two clients that read, modify and write one key 1,000 times never see more than two', () => {
    const story = new Story({ seed: 1 });
    const { world } = story;
    const clients = ['p', 'q'].map((via) => ({ via, call: undefined as Call | undefined, written: 0 }));
    let most = 0;
    while (clients.some((client) => client.written < 500)) {
      for (const client of clients) {
        const { call, via } = client;
        if (call !== undefined && !call.isOver) continue;
        if (call?.request.kind === 'get') {
          const { values, context } = story.found(call);
          most = Math.max(most, values.length);
          client.call = story.put(via, `${via} ${client.written}`, { context });
        } else {
          if (call !== undefined) {
            story.written(call);
            client.written++;
          }
          client.call = story.get(via);
        }
      }
      world.run(world.random.next());
    }
    expect(most).toBeLessThanOrEqual(2);
    expect(most).toBe(2);
    story.settle();
    expect(story.found(story.get('p', { r: 3 })).values.length).toBeLessThanOrEqual(2);
    // One actor for each lead, however many writes.
    expect(story.stateAt(story.A)?.history.actors.length).toBeLessThanOrEqual(3);
    // Only a write that was read before its copies were placed is not known to be sole, and is closed when it dies.
    expect(story.stateAt(story.A)?.closed.length).toBeLessThan(50);
  });

  it('and so with a lead that hangs now and then', () => {
    const story = new Story({ seed: 2 });
    const { world, A } = story;
    const clients = ['p', 'q'].map((via) => ({ via, context: story.found(story.get(via)).context }));
    for (let i = 0; i < 60; i++) {
      const calls = clients.map(({ via, context }) =>
        story.put(via, `${via} ${i}`, { context, timeoutMs: 1_000 }),
      );
      if (i % 7 === 3) world.freeze(A);
      for (const call of calls) story.written(call);
      world.thaw(A);
      clients.forEach((client) => {
        const { values, context } = story.found(story.get(client.via));
        expect(values.length).toBeLessThanOrEqual(2);
        client.context = context;
      });
    }
  });

  it('a thousand blind puts are a thousand siblings, and the next one is refused', () => {
    const story = new Story({ seed: 3 });
    const { world } = story;
    const names = Array.from({ length: 1_000 }, (_, i) => `value ${String(i).padStart(4, '0')}`);
    for (let i = 0; i < names.length; i += 50) {
      const calls = names.slice(i, i + 50).map((name, k) => story.put(k % 2 === 0 ? 'p' : 'q', name));
      for (const call of calls) story.written(call);
    }
    world.run(2_000);
    const { values, context } = story.found(story.get('q', { r: 3 }));
    expect(values).toEqual(names);
    expect(story.ownersAgree()).toBe(true);
    expect(story.failed(story.put('p', 'one more'))).toEqual({ code: 'too_many_siblings' });
    story.written(story.put('p', 'resolved', { context }));
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(['resolved']);
  });
});
