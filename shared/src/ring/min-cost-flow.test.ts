import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FlowNetwork } from './min-cost-flow.ts';

interface Edge {
  readonly from: number;
  readonly to: number;
  readonly capacity: number;
  readonly cost: number;
}

const VERTICES = 5;
const SOURCE = 0;
const SECOND = 1;
const SINK = 2;

const edge = fc.record({
  from: fc.constantFrom(SOURCE, SECOND, 3, 4),
  to: fc.constantFrom(SOURCE, SECOND, SINK, 3, 4),
  capacity: fc.constantFrom(1, 1, 2),
  cost: fc.nat(4),
});
/** Dense, so that cheap paths get in the way of more flow. */
const smallNetwork = fc.array(edge, { minLength: 6, maxLength: 10, size: 'max' });

function build(edges: readonly Edge[]) {
  const network = new FlowNetwork();
  const vertices = Array.from({ length: VERTICES }, () => network.vertex());
  const arcs = edges.map(({ from, to, capacity, cost }) =>
    network.connect(vertices[from]!, vertices[to]!, capacity, cost),
  );
  return {
    maximise: (source: number) => network.maximise(vertices[source]!, vertices[SINK]!),
    carried: () => arcs.map((arc) => arc.carried),
  };
}

const costOf = (edges: readonly Edge[], units: readonly number[]) =>
  edges.reduce((total, { cost }, at) => total + cost * units[at]!, 0);

/** What leaves each vertex minus what enters it. */
function surplus(edges: readonly Edge[], units: readonly number[]): number[] {
  const net = Array.from({ length: VERTICES }, () => 0);
  for (const [at, { from, to }] of edges.entries()) {
    net[from]! += units[at]!;
    net[to]! -= units[at]!;
  }
  return net;
}

/** Every way to load the arcs so that only the sources have units to give and only the sink takes them. */
function* allFlows(edges: readonly Edge[], sources: readonly number[]): Generator<number[]> {
  const units = edges.map(() => 0);
  for (;;) {
    const net = surplus(edges, units);
    const isFlow = net.every((value, vertex) =>
      vertex === SINK ? value <= 0 : sources.includes(vertex) ? value >= 0 : value === 0,
    );
    if (isFlow) yield [...units];
    const digit = units.findIndex((unit, at) => unit < edges[at]!.capacity);
    if (digit < 0) return;
    units.fill(0, 0, digit);
    units[digit]! += 1;
  }
}

describe('min-cost flow', () => {
  it('sends as much as any flow can, and no flow that sends as much is cheaper', () => {
    fc.assert(
      fc.property(smallNetwork, (edges) => {
        const network = build(edges);
        const sent = network.maximise(SOURCE);
        const units = network.carried();

        expect(units.every((unit, at) => unit >= 0 && unit <= edges[at]!.capacity)).toBe(true);
        const expected = Array.from({ length: VERTICES }, () => 0);
        expected[SOURCE]! += sent;
        expected[SINK]! -= sent;
        expect(surplus(edges, units)).toEqual(expected);

        const flows = [...allFlows(edges, [SOURCE])];
        expect(sent).toBe(Math.max(...flows.map((flow) => surplus(edges, flow)[SOURCE]!)));
        const asMuch = flows.filter((flow) => surplus(edges, flow)[SOURCE] === sent);
        expect(costOf(edges, units)).toBe(Math.min(...asMuch.map((flow) => costOf(edges, flow))));
      }),
      { numRuns: 300 },
    );
  });

  it('keeps what a first source sent while a second one sends, at the least cost of both', () => {
    fc.assert(
      fc.property(smallNetwork, (edges) => {
        const network = build(edges);
        const first = network.maximise(SOURCE);
        const second = network.maximise(SECOND);
        const units = network.carried();
        expect(surplus(edges, units).slice(0, 2)).toEqual([first, second]);

        const kept = [...allFlows(edges, [SOURCE, SECOND])].filter(
          (flow) => surplus(edges, flow)[SOURCE] === first,
        );
        expect(second).toBe(Math.max(...kept.map((flow) => surplus(edges, flow)[SECOND]!)));
        const asMuch = kept.filter((flow) => surplus(edges, flow)[SECOND] === second);
        expect(costOf(edges, units)).toBe(Math.min(...asMuch.map((flow) => costOf(edges, flow))));
      }),
      { numRuns: 300 },
    );
  });

  it('gives an arc back, and gets its cost refunded, when more flow needs it', () => {
    const network = build([
      { from: SECOND, to: SOURCE, capacity: 2, cost: 0 },
      { from: SOURCE, to: 3, capacity: 1, cost: 0 },
      { from: 3, to: 4, capacity: 1, cost: 1 },
      { from: 4, to: SINK, capacity: 1, cost: 0 },
      // After 0 + 1 + 0 for the first unit, the second costs 2 - 1 + 2 this way round and 4 by the last arc.
      { from: SOURCE, to: 4, capacity: 1, cost: 2 },
      { from: 3, to: SINK, capacity: 1, cost: 2 },
      { from: SOURCE, to: SINK, capacity: 1, cost: 4 },
    ]);
    expect(network.maximise(SECOND)).toBe(2);
    expect(network.carried()).toEqual([2, 1, 0, 1, 1, 1, 0]);
  });

  it('follows a path of a hundred thousand arcs', () => {
    const network = new FlowNetwork();
    const source = network.vertex();
    let end = source;
    for (let step = 0; step < 100_000; step++) {
      const next = network.vertex();
      network.connect(end, next, 1, 1);
      end = next;
    }
    expect(network.maximise(source, end)).toBe(1);
  });
});
