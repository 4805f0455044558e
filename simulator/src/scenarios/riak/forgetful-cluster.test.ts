import { must } from '@circlet/shared/assert.ts';
import type { Context } from '@circlet/shared/causality/context.ts';
import {
  emptyState,
  idsOf,
  type KeyState,
  merge,
  type WriteId,
} from '@circlet/shared/causality/key-state.ts';
import { decodeState } from '@circlet/shared/causality/state-codec.ts';
import { latin1 } from '@circlet/shared/codec/bytes.ts';
import type { Message } from '@circlet/shared/protocol/message.ts';
import { describe, expect, it } from 'vitest';
import type { Call } from '../../call.ts';
import type { Disk } from '../../disk.ts';
import { Story } from '../../story.ts';

/** A context in a client's hands, and the writes that its holder was shown. */
interface Held {
  readonly context: Context;
  readonly seen: ReadonlySet<WriteId>;
}

/** One attempt at a write, by one client's request; a repeat under an Idempotency-Key has the same id. */
interface Put {
  readonly call: Call;
  readonly id: WriteId;
  readonly supersedes: ReadonlySet<WriteId>;
}

/**
 * One key of a whole cluster, in which pods forget: their disks are put back to what they were, or a row of theirs is
 * damaged. Everything that any frame or disk ever held is kept here.
 */
class Forgetful {
  readonly story: Story;
  readonly puts: Put[] = [];
  readonly dots = new Map<string, Set<WriteId>>();
  forgot = 0;
  private everything: KeyState = emptyState;
  private readonly noted = new Set<string>();
  private readonly shown = new Set<WriteId>();
  private readonly held: Held[] = [];
  private readonly repeats: (() => void)[] = [];
  private reads: Call[] = [];
  private taken = 0;
  private readonly backups: { readonly node: string; readonly disk: Disk }[] = [];

  constructor(seed: number) {
    this.story = new Story({ seed, storage: 4, coordinators: 3, vnodes: 8 });
    const { world } = this.story;
    world.tap({ where: (message) => this.note(...statesIn(message)) }, 'watch');
    for (const node of world.storage) this.backups.push({ node, disk: world.backup(node) });
  }

  step(): void {
    const { world, A } = this.story;
    const dice = this.below(100);
    const node = this.pick(world.storage);
    if (dice < 32) this.put();
    else if (dice < 40) this.repeats.at(-1 - this.below(4))?.();
    else if (dice < 58) this.reads.push(this.story.get(this.pick(world.coordinators), { timeoutMs: 300 }));
    else if (dice < 66) world.cut(this.pick(world.coordinators), [node, this.pick([A, node])]);
    else if (dice < 74) world.heal();
    else if (dice < 80) this.backups.push({ node, disk: world.backup(node) });
    else if (dice < 86) this.restore(this.pick(this.backups));
    else if (dice < 92) this.damage(node);
    else if (dice < 95) world.restart(node);
    else world.run(2_000);
    world.run(this.random() < 0.3 ? 400 : 10 * this.random());
    this.lookAtDisks();
    this.finish();
  }

  /** Every write that anybody can have seen, unless another one that can be seen had seen it. */
  get expected(): readonly WriteId[] {
    const visible = this.puts.filter(({ id }) => this.shown.has(id));
    const superseded = new Set(visible.flatMap(({ supersedes }) => [...supersedes]));
    return [...new Set(visible.map(({ id }) => id).filter((id) => !superseded.has(id)))].toSorted();
  }

  get merged(): readonly WriteId[] {
    return this.everything.siblings.map(({ writeId }) => writeId);
  }

  /** Acknowledged, and to be seen nowhere. */
  get vanished(): readonly WriteId[] {
    return this.puts.flatMap(({ id, call }) =>
      call.answer?.kind === 'written' && !this.shown.has(id) ? [id] : [],
    );
  }

  private put(): void {
    const { world } = this.story;
    const held = this.random() < 0.25 ? undefined : this.held.at(-1 - this.below(3));
    const name = String(this.puts.length);
    const keyed = this.random() < 0.3 ? { idempotencyKey: name } : {};
    const asking = { timeoutMs: 300, ...keyed, ...(held === undefined ? {} : { context: held.context }) };
    const isDelete = held !== undefined && this.random() < 0.2;
    const send = () => {
      const via = this.pick(world.coordinators);
      const call = isDelete ? this.story.remove(via, asking) : this.story.put(via, name, asking);
      const id = call.request.kind === 'write' ? call.request.write.writeId : '';
      this.puts.push({ call, id, supersedes: held?.seen ?? new Set() });
    };
    send();
    if ('idempotencyKey' in keyed) this.repeats.push(send);
  }

  private restore({ node, disk }: { readonly node: string; readonly disk: Disk }): void {
    const { world } = this.story;
    this.forgot++;
    world.crash(node);
    world.replaceDisk(node, disk);
    world.restart(node);
    // It writes to it from now on: what it was is kept as another copy.
    this.backups.splice(
      this.backups.findIndex((each) => each.disk === disk),
      1,
      {
        node,
        disk: world.backup(node),
      },
    );
    world.until(() => world.usable('p').includes(node), 500);
  }

  private damage(node: string): void {
    if (this.story.row(node) === undefined) return;
    this.forgot++;
    this.story.damage(node);
  }

  private finish(): void {
    for (const { call, id, supersedes } of this.puts.slice(this.taken)) {
      if (!call.isOver) break;
      this.taken++;
      if (call.answer?.kind !== 'written') continue;
      this.held.push({ context: call.answer.context, seen: new Set([...supersedes, id]) });
    }
    for (const { answer } of this.reads.filter((call) => call.isOver)) {
      if (answer?.kind !== 'read') continue;
      const ids = answer.reading.state.siblings.map(({ writeId }) => writeId);
      const older = ids.flatMap((id) => [...(this.puts.find((put) => put.id === id)?.supersedes ?? [])]);
      this.held.push({ context: answer.reading.context, seen: new Set([...ids, ...older]) });
    }
    this.reads = this.reads.filter((call) => !call.isOver);
  }

  private lookAtDisks(): void {
    for (const node of this.story.world.storage) {
      for (const table of ['rows', 'hints'] as const) {
        const row = this.story.row(node, table);
        if (row !== undefined) this.note(row.state);
      }
    }
  }

  private note(...states: readonly Uint8Array[]): boolean {
    for (const bytes of states) {
      const text = latin1(bytes);
      if (this.noted.has(text)) continue;
      this.noted.add(text);
      const state = decodeState(bytes);
      for (const { writeId, dots } of state.siblings) {
        this.shown.add(writeId);
        for (const { actor, counter } of dots) {
          const dot = `${actor}:${counter}`;
          this.dots.set(dot, (this.dots.get(dot) ?? new Set()).add(writeId));
        }
      }
      this.everything = merge(this.everything, state, idsOf([])).state;
    }
    return false;
  }

  private random(): number {
    return this.story.world.random.next();
  }

  private below(n: number): number {
    return Math.floor(this.random() * n);
  }

  private pick<T>(from: readonly T[]): T {
    return must(from[this.below(from.length)], 'something to pick from');
  }
}

function statesIn(message: Message): readonly Uint8Array[] {
  if (message.kind === 'merge') return [message.state];
  if (message.kind === 'found') return message.what === 'state' ? [message.state] : [];
  return message.kind === 'hintPage' ? message.entries.map(({ state }) => state) : [];
}

describe('a cluster whose pods forget', () => {
  // kv679_eqc: put, get, replicate and forget in any order; all merged, there are the siblings that contexts say there are.
  for (let first = 1; first <= 100; first += 50) {
    it(`keeps what nobody has seen and only that, and gives no dot twice, with seeds ${first} to ${first + 49}`, () => {
      let forgot = 0;
      let written = 0;
      for (let seed = first; seed < first + 50; seed++) {
        const cluster = new Forgetful(seed);
        for (let i = 0; i < 60; i++) cluster.step();
        cluster.story.world.run(400);
        const { merged, expected, vanished, dots } = cluster;
        const doubles = [...dots].filter(([, writes]) => writes.size > 1).map(([dot]) => dot);
        const alarms = cluster.story.world.alarms.map(({ notice }) => notice.event);
        expect({ seed, doubles, vanished, merged }).toEqual({
          seed,
          doubles: [],
          vanished: [],
          merged: expected,
        });
        expect({ seed, alarms: alarms.filter((event) => event !== 'row_suspect') }).toEqual({
          seed,
          alarms: [],
        });
        forgot += cluster.forgot;
        written += cluster.puts.filter(({ call }) => call.answer?.kind === 'written').length;
      }
      expect(forgot).toBeGreaterThan(200);
      expect(written).toBeGreaterThan(700);
    });
  }
});
