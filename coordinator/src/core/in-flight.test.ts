import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { InFlight } from './in-flight.ts';

interface Item {
  readonly id: number;
  readonly what: string;
}

/** Few enough ids that they come again, and steps that make two meet in one slot. */
const id = fc.tuple(fc.nat(1), fc.constantFrom(0, 4_096, 8_192, 3)).map(([low, step]) => low + step);
const command = fc.oneof(
  { arbitrary: fc.record({ do: fc.constant('begin' as const), id }), weight: 9 },
  { arbitrary: fc.record({ do: fc.constant('end' as const), id }), weight: 9 },
  { arbitrary: fc.record({ do: fc.constant('clear' as const), id }), weight: 1 },
);

it('is a map of ids to what waits under them, in the order of the ids, whichever share a slot', () => {
  fc.assert(
    fc.property(fc.array(command, { minLength: 40, maxLength: 60 }), (commands) => {
      const table = new InFlight<Item>();
      const model = new Map<number, Item>();
      commands.forEach((each, i) => {
        const item = { id: each.id, what: `begun by step ${i}` };
        if (each.do === 'clear') {
          table.clear();
          model.clear();
        } else if (each.do === 'end') {
          table.delete(each.id);
          model.delete(each.id);
        } else if (!model.has(each.id)) {
          table.set(item);
          model.set(each.id, item);
        }
        expect(table.get(each.id)).toBe(model.get(each.id));
      });
      expect(table.values()).toEqual([...model.values()].toSorted((a, b) => a.id - b.id));
    }),
  );
});
