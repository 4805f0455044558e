import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must } from '../assert.ts';
import type { MemberUpdate } from './member.ts';
import { VirtualCluster } from './virtual-cluster.case.ts';

/*
 * Bounds in simulated milliseconds, for n members, the default config and delays of 1-20 ms; beside each the worst seen
 * with 3, 8 and 16 members: 3,500 seeds for a crash, 1,500 for a pause, 500 for half crashed, 200 under lies.
 */
/** 8.0 s, 13.0 s, 15.7 s. Without any luck: 2n - 1 periods until we probe it ourselves and the longest suspicion. */
const crashSeenMs = (n: number): number => 10_000 + 1_000 * n;
/** 8.0 s (12.0 with 4), 21.4 s, 39.6 s: each dead member costs periods, and fewer are left to confirm. */
const halfSeenMs = (n: number): number => 20_000 + 3_000 * n;
/** 2.0 s, 8.1 s, 5.4 s. Whatever gossip loses, everyone probes everyone within 2n - 1 periods and is refuted then. */
const backMs = (n: number): number => 2_000 + 2_000 * n;
/** 3.4 s, 9.4 s, 16.4 s (under lies and 20 % loss): first the stretched periods of shaken nodes must end. */
const calmMs = (n: number): number => 10_000 + backMs(n);

const seed = fc.nat();
const size = fc.integer({ min: 3, max: 16 });

const everywhere = (check: (cluster: VirtualCluster) => void, numRuns = 40): void =>
  fc.assert(
    fc.property(size, seed, fc.boolean(), (members, from, busHints) => {
      const cluster = new VirtualCluster({ size: members, seed: from, busHints });
      cluster.runFor(3_000);
      check(cluster);
    }),
    { numRuns },
  );

describe('without faults', () => {
  it('nobody is ever suspected, and everyone sends two messages a second whatever the size', () => {
    everywhere((cluster) => {
      cluster.runFor(57_000);
      expect(cluster.changes).toEqual([]);
      expect(cluster.notices).toEqual([]);
      expect(cluster.totalSent() / cluster.size / 60).toBeLessThanOrEqual(2.05);
    });
  });

  it('a cluster of one and of two is quiet too', () => {
    for (const members of [1, 2]) {
      const cluster = new VirtualCluster({ size: members, seed: 1 });
      cluster.runFor(60_000);
      expect(cluster.changes).toEqual([]);
    }
  });
});

describe('a crash', () => {
  it('is seen by all within the bound, and blamed on nobody else', () => {
    everywhere((cluster) => {
      const dead = cluster.name(0);
      cluster.crash(dead);
      expect(cluster.runUntil(() => cluster.agree([dead], 'down'), crashSeenMs(cluster.size))).toBeDefined();
      expect(cluster.changes.filter(({ name }) => name !== dead)).toEqual([]);
    });
  });

  it('of half the members is seen by the other half', () => {
    everywhere((cluster) => {
      const half = cluster.names.slice(0, Math.floor(cluster.size / 2));
      for (const name of half) cluster.crash(name);
      expect(cluster.runUntil(() => cluster.agree(half, 'down'), halfSeenMs(cluster.size))).toBeDefined();
      expect(cluster.agree(cluster.names.slice(half.length), 'alive')).toBe(true);
    });
  });

  it('of the other of two is seen without anybody to ask', () => {
    const cluster = new VirtualCluster({ size: 2, seed: 3 });
    cluster.crash(cluster.name(1));
    expect(cluster.runUntil(() => cluster.agree([cluster.name(1)], 'down'), 7_000)).toBeDefined();
  });

  it('costs each member a bounded number of messages, whatever the size', () => {
    const rates = [5, 16].map((members) => {
      const cluster = new VirtualCluster({ size: members, seed: 11, busHints: true });
      cluster.runFor(3_000);
      cluster.crash(cluster.name(0));
      const before = cluster.totalSent();
      const tookMs =
        cluster.runUntil(() => cluster.agree([cluster.name(0)], 'down'), crashSeenMs(cluster.size)) ??
        Number.NaN;
      const during = (cluster.totalSent() - before) / (members - 1) / (tookMs / 1_000);
      cluster.runFor(10_000);
      const settled = cluster.totalSent();
      cluster.runFor(60_000);
      return { during, after: (cluster.totalSent() - settled) / (members - 1) / 60 };
    });
    for (const { during, after } of rates) {
      expect(during).toBeLessThan(14);
      expect(after).toBeLessThanOrEqual(2);
    }
  });
});

describe('a pause of ten seconds', () => {
  it.each(['kept', 'lost'] as const)(
    'is forgiven by all within the bound (mail %s), and blames nobody',
    (mail) => {
      everywhere((cluster) => {
        const sleeper = cluster.name(0);
        cluster.pause(sleeper);
        cluster.runFor(10_000);
        cluster.resume(sleeper, mail);
        expect(
          cluster.runUntil(() => cluster.agree(cluster.names, 'alive'), backMs(cluster.size)),
        ).toBeDefined();
        cluster.runFor(30_000);
        expect(cluster.agree(cluster.names, 'alive')).toBe(true);
        expect(cluster.changes.filter(({ name }) => name !== sleeper)).toEqual([]);
      });
    },
  );
});

describe('a restart', () => {
  it('from incarnation 0 returns within the bound, after a short and after a long absence', () => {
    everywhere((cluster) => {
      const [first, second] = [cluster.name(0), cluster.name(1)];
      for (const absentMs of [500, 40_000]) {
        for (const name of [first, second]) {
          cluster.crash(name);
          cluster.runFor(absentMs);
          cluster.restart(name);
          expect(
            cluster.runUntil(() => cluster.agree(cluster.names, 'alive'), backMs(cluster.size)),
          ).toBeDefined();
        }
      }
    }, 15);
  });

  it('finds its way back even if its old number is thousands away', () => {
    const cluster = new VirtualCluster({ size: 5, seed: 5 });
    const name = cluster.name(0);
    for (let i = 0; i < 3; i += 1) {
      const known = cluster.swim(name).members()[0]?.incarnation ?? 0;
      const updates: MemberUpdate[] = [{ name, status: 'suspect', incarnation: known + 1_000 }];
      cluster.forge(cluster.name(1), name, { kind: 'ack', seq: 1, incarnation: 0, updates });
      cluster.runFor(20_000);
    }
    expect(cluster.swim(cluster.name(1)).members()[0]).toEqual({ name, status: 'alive', incarnation: 3_003 });
    cluster.crash(name);
    cluster.runFor(40_000);
    cluster.restart(name);
    expect(cluster.runUntil(() => cluster.agree(cluster.names, 'alive'), backMs(cluster.size))).toBeDefined();
  });
});

describe('a partition', () => {
  it('of one pair, either way or both, changes nothing: helpers reach around it', () => {
    everywhere((cluster) => {
      const [a, b] = [cluster.name(0), cluster.name(1)];
      for (const cut of [() => cluster.cuts.add(`${a}>${b}`), () => cluster.cutBothWays(a, b)]) {
        cut();
        cluster.runFor(60_000);
      }
      expect(cluster.changes).toEqual([]);
    });
  });

  it('of one pair does not keep a suspicion alive: the refutation comes around it too', () => {
    everywhere((cluster) => {
      const [a, b, c] = [cluster.name(0), cluster.name(1), cluster.name(2)];
      cluster.cutBothWays(a, b);
      const updates: MemberUpdate[] = [{ name: b, status: 'suspect', incarnation: 0 }];
      cluster.forge(c, a, { kind: 'ack', seq: 1, incarnation: 0, updates });
      expect(cluster.swim(a).status(b)).toBe('suspect');
      expect(
        cluster.runUntil(() => cluster.agree(cluster.names, 'alive'), backMs(cluster.size)),
      ).toBeDefined();
    });
  });

  it('into halves heals by itself', () => {
    everywhere((cluster) => {
      const middle = Math.floor(cluster.size / 2);
      for (const left of cluster.names.slice(0, middle))
        for (const right of cluster.names.slice(middle)) cluster.cutBothWays(left, right);
      cluster.runFor(60_000);
      expect(cluster.swim(cluster.name(0)).status(cluster.name(middle))).toBe('down');
      cluster.cuts.clear();
      expect(
        cluster.runUntil(() => cluster.agree(cluster.names, 'alive'), backMs(cluster.size)),
      ).toBeDefined();
    }, 20);
  });

  it('that makes one node deaf convinces nobody else that others are dead', () => {
    everywhere((cluster) => {
      const deaf = cluster.name(0);
      for (const name of cluster.names) cluster.cuts.add(`${name}>${deaf}`);
      cluster.runFor(60_000);
      const verdicts = cluster.changes.filter(
        ({ observer, status }) => observer !== deaf && status === 'down',
      );
      expect(verdicts.every(({ name }) => name === deaf)).toBe(true);
      expect(verdicts).toHaveLength(cluster.size - 1);
    }, 20);
  });
});

describe('20 % loss', () => {
  it('causes verdicts that are all taken back once it stops', () => {
    everywhere((cluster) => {
      cluster.loss = 0.2;
      cluster.runFor(60_000);
      cluster.loss = 0;
      expect(
        cluster.runUntil(() => cluster.agree(cluster.names, 'alive'), calmMs(cluster.size)),
      ).toBeDefined();
    });
  });

  it('in a pair, where nobody can help, makes false verdicts that are refuted', () => {
    let verdicts = 0;
    for (let from = 0; from < 20; from += 1) {
      const cluster = new VirtualCluster({ size: 2, seed: from });
      cluster.loss = 0.4;
      cluster.runFor(60_000);
      verdicts += cluster.changes.filter(({ status }) => status === 'down').length;
      cluster.loss = 0;
      expect(
        cluster.runUntil(() => cluster.agree(cluster.names, 'alive'), calmMs(cluster.size)),
      ).toBeDefined();
    }
    expect(verdicts).toBeGreaterThan(0);
  });

  it('does not hide a crash', () => {
    everywhere((cluster) => {
      cluster.loss = 0.2;
      cluster.crash(cluster.name(0));
      expect(
        cluster.runUntil(() => cluster.agree([cluster.name(0)], 'down'), 3 * crashSeenMs(cluster.size)),
      ).toBeDefined();
    }, 20);
  });
});

/** One message of lies to everybody else: all but the liar are dead, at numbers absurd, known or just plausible. */
function lie(cluster: VirtualCluster, round: number): void {
  const victims = cluster.names.slice(1);
  for (const to of victims) {
    const updates = cluster
      .swim(to)
      .members()
      .filter(({ name }) => victims.includes(name))
      .map(({ name, incarnation }): MemberUpdate => {
        const claims = [2 ** 53, 2 ** 53 - 1, incarnation, incarnation + 1, incarnation + 1_000];
        return { name, status: 'down', incarnation: must(claims[round % 5], 'five claims') };
      });
    cluster.forge(cluster.name(0), to, { kind: 'ack', seq: 1, incarnation: 0, updates });
  }
}

function underLies(cluster: VirtualCluster): void {
  for (let round = 0; round < 300; round += 1) {
    lie(cluster, round);
    cluster.runFor(100);
  }
}

describe('a liar that accuses everybody ten times a second', () => {
  it('makes nobody down, costs little, and leaves no trace', () => {
    everywhere((cluster) => {
      const before = cluster.totalSent();
      underLies(cluster);
      expect(cluster.changes.filter(({ status }) => status === 'down')).toEqual([]);
      expect((cluster.totalSent() - before) / cluster.size / 30).toBeLessThan(8);
      expect(cluster.largestMessage).toBeLessThanOrEqual(16);
      expect(cluster.notices.some(({ notice }) => notice === 'malformed')).toBe(true);
      expect(cluster.notices.some(({ notice }) => notice === 'version jump refused')).toBe(true);
      expect(
        cluster.runUntil(() => cluster.agree(cluster.names, 'alive'), backMs(cluster.size)),
      ).toBeDefined();
    }, 15);
  });

  it('does not do better with the help of 20 % loss', () => {
    everywhere((cluster) => {
      cluster.loss = 0.2;
      underLies(cluster);
      cluster.loss = 0;
      expect(
        cluster.runUntil(() => cluster.agree(cluster.names, 'alive'), calmMs(cluster.size)),
      ).toBeDefined();
      expect(cluster.changes.filter(({ status }) => status === 'down').length).toBeLessThanOrEqual(3);
    }, 10);
  });

  it('does not blind us to a member that does die', () => {
    everywhere((cluster) => {
      const dead = cluster.name(cluster.size - 1);
      cluster.crash(dead);
      underLies(cluster);
      // Each higher number restarts the case and spends one of the 1,000 that the dead can no longer raise: 35 s at
      // worst with 16 members after 30 s of lies.
      const limitMs = halfSeenMs(cluster.size);
      expect(cluster.runUntil(() => cluster.agree([dead], 'down'), limitMs)).toBeDefined();
    }, 10);
  });
});
