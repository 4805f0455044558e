import type { Answer, Condition } from '@circlet/coordinator/core/client.ts';
import { must } from '@circlet/shared/assert.ts';
import type { WriteId } from '@circlet/shared/causality/key-state.ts';
import { decodeState } from '@circlet/shared/causality/state-codec.ts';
import { Prng } from '@circlet/shared/prng.ts';
import type { Message, MessageKind } from '@circlet/shared/protocol/message.ts';
import type { FullKey } from '@circlet/shared/ring/key.ts';
import type { Call } from './call.ts';
import { type HeldContext, Ledger, type LedgerWrite } from './ledger.ts';
import { type Asking, keyNamed, Story } from './story.ts';
import type { Tap } from './tap.ts';
import type { World } from './world.ts';

/**
 * A seed's worth of clients and faults, and what came of it. All that happens is drawn from the seed; disks keep what was
 * committed, so nothing acknowledged may be missing at the end, whatever W was.
 */
export interface Outcome {
  readonly violations: readonly string[];
  readonly operations: number;
  readonly answered: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly virtualMs: number;
  readonly trace: string;
}

interface Client {
  readonly held: Map<string, HeldContext>;
  busy: Op | undefined;
}

interface Op {
  readonly client: Client;
  readonly keyName: string;
  readonly call: Call;
  readonly asking: Asking;
  readonly sent: HeldContext | undefined;
  readonly write: LedgerWrite | undefined;
  readonly again: ((via: string) => Call) | undefined;
  readonly attempt: number;
}

const CLIENTS = 6;
const OPERATIONS = 300;

export function chaos(seed: number): Outcome {
  return new Chaos(seed).run();
}

class Chaos {
  private readonly random: Prng;
  private readonly story: Story;
  private readonly world: World;
  private readonly clients: Client[];
  private readonly keys: readonly string[];
  private readonly ledgers = new Map<string, Ledger>();
  private readonly answered: Record<string, number> = {};
  private readonly faults: Record<string, number> = {};
  private readonly violations: string[] = [];
  private readonly frozen = new Set<string>();
  private readonly unplugged = new Set<string>();
  private readonly dots = new Map<string, WriteId>();
  private taps: Tap[] = [];
  private busFrozen = false;
  private operations = 0;
  private keyedWrites = 0;
  /** How often something goes wrong in this seed, and how much at once. */
  private readonly faultRate: number;
  private readonly blindDeletes: boolean;
  /** Between two looks at the clients: from "everything at once" to "one after the other". */
  private readonly stepMs: number;

  constructor(seed: number) {
    this.random = new Prng(seed ^ 0x5eed);
    const storage = 3 + this.below(4);
    this.faultRate = this.random.next() * 0.1;
    this.blindDeletes = this.chance(0.15);
    this.stepMs = this.pick([0.5, 5, 30, 30]);
    const hintKeysMax = this.chance(0.1) ? 2 : 1000;
    this.story = new Story({ seed, storage, vnodes: 8, hintKeysMax });
    this.world = this.story.world;
    const slowMs = this.chance(0.3) ? 20 : 1;
    const { hopMs } = this.world.bus;
    this.world.bus.hopMs = () => (this.random.next() < 0.01 ? slowMs * 10 * this.random.next() : hopMs());
    this.keys = Array.from({ length: 1 + this.below(4) }, (_, i) => `key-${i}`);
    for (const key of this.keys) this.ledgers.set(key, new Ledger(this.dots));
    this.world.tap({ where: (message) => this.learnDots(message) }, 'watch');
    this.clients = Array.from({ length: CLIENTS }, () => ({ held: new Map(), busy: undefined }));
  }

  run(): Outcome {
    while (this.operations < OPERATIONS) {
      if (this.chance(this.faultRate)) this.fault();
      for (const client of this.clients) {
        this.finish(client);
        if (client.busy === undefined && this.chance(0.5)) this.begin(client);
      }
      this.world.run(this.random.next() * this.stepMs * (this.chance(0.01) ? 100 : 1));
    }
    this.repairWorld();
    this.conclude();
    const violations = [
      ...this.violations,
      ...[...this.ledgers.values()].flatMap((ledger) => ledger.violations),
    ];
    for (const { pod, notice } of this.world.alarms) {
      if (notice.event !== 'row_suspect') violations.push(`alarm at ${pod}: ${JSON.stringify(notice)}`);
    }
    return {
      violations,
      operations: this.operations,
      answered: this.answered,
      faults: this.faults,
      virtualMs: this.world.nowMs,
      trace: this.world.trace.digest,
    };
  }

  private learnDots(message: Message): boolean {
    for (const bytes of statesIn(message)) {
      for (const { writeId, dots } of decodeState(bytes).siblings) {
        for (const { actor, counter } of dots) this.dots.set(`${actor}@${counter}`, writeId);
      }
    }
    return false;
  }

  // ---- clients ----

  private begin(client: Client): void {
    const keyName = this.pick(this.keys);
    const via = this.pick(this.world.coordinators);
    this.operations++;
    const asking = { key: keyNamed(keyName), ...this.quorum() };
    const held = client.held.get(keyName);
    const dice = this.random.next();
    if (dice < 0.4) this.get(client, keyName, via, asking, this.chance(0.3) ? held : undefined);
    else this.write(client, keyName, via, asking, this.chance(0.8) ? held : undefined, dice < 0.55);
  }

  private get(
    client: Client,
    keyName: string,
    via: string,
    asking: Asking,
    atLeast: HeldContext | undefined,
  ): void {
    const whole = atLeast === undefined ? asking : { ...asking, context: atLeast.context };
    const call = this.story.get(via, whole);
    client.busy = {
      client,
      keyName,
      call,
      asking: whole,
      sent: atLeast,
      write: undefined,
      again: undefined,
      attempt: 1,
    };
  }

  private write(
    client: Client,
    keyName: string,
    via: string,
    asking: Asking,
    sent: HeldContext | undefined,
    isDelete: boolean,
  ): void {
    const idempotencyKey = this.chance(0.3) ? { idempotencyKey: `i${this.keyedWrites++}` } : {};
    // A delete without a context is decided by what the coordinator reads, and the ledger can follow no further.
    const deletes = isDelete && (sent !== undefined || this.blindDeletes);
    const conditions = sent !== undefined || this.blindDeletes ? 0.1 : 0;
    const condition = this.chance(conditions) ? { condition: this.condition() } : {};
    const context = sent === undefined ? {} : { context: sent.context };
    const whole = { ...asking, ...idempotencyKey, ...condition, ...context };
    const value = `v${this.operations}`;
    const again = (through: string) =>
      deletes ? this.story.remove(through, whole) : this.story.put(through, value, whole);
    const call = again(via);
    const { request } = call;
    const writeId = request.kind === 'write' ? request.write.writeId : '';
    const readsFirst = sent === undefined && (deletes || 'condition' in condition);
    const write = this.ledger(keyName).attempt(writeId, deletes, sent, readsFirst);
    const isKeyed = 'idempotencyKey' in idempotencyKey;
    const retry = isKeyed ? again : undefined;
    client.busy = { client, keyName, call, asking: whole, sent, write, again: retry, attempt: 1 };
  }

  /** Takes the answer if there is one; gives up when there can be none any more. */
  private finish(client: Client): void {
    const op = client.busy;
    if (op === undefined) return;
    const { call } = op;
    const gaveUp = this.world.nowMs > call.askedMs + call.request.quorum.timeoutMs + 200;
    if (call.answer === undefined && !gaveUp) return;
    client.busy = undefined;
    this.count(this.answered, call.answer === undefined ? 'no answer' : nameOf(call.answer));
    const ledger = this.ledger(op.keyName);
    if (op.write === undefined) this.tookGet(op, ledger);
    else this.tookWrite(op, op.write, ledger);
  }

  private tookGet(op: Op, ledger: Ledger): void {
    const { call, client, sent, asking } = op;
    if (call.answer?.kind !== 'read') return;
    const { state, context } = call.answer.reading;
    const returned = state.siblings.map(({ writeId }) => writeId);
    const isStrict = asking.sloppy === false;
    const owners = isStrict ? call.request.quorum.r : undefined;
    const claim = { askedMs: call.askedMs, atLeast: sent, owners, replicas: this.story.owners.length };
    client.held.set(op.keyName, ledger.afterGet(returned, context, claim));
  }

  private tookWrite(op: Op, write: LedgerWrite, ledger: Ledger): void {
    const { call, client, asking } = op;
    const { answer } = call;
    const atMs = this.world.nowMs;
    if (answer?.kind === 'failed' && answer.failure.code === 'timeout' && answer.failure.outcome === 'none') {
      this.violations.push('a timeout of which it was said that nothing happened');
    }
    if (answer?.kind === 'nothing') {
      ledger.conclude(write, 'none', atMs);
      return;
    }
    if (answer?.kind === 'written') {
      const { w, pw, sloppy } = call.request.quorum;
      ledger.conclude(write, 'ok', call.answeredMs ?? atMs, sloppy ? pw : Math.max(w, pw), Math.max(w, pw));
      client.held.set(op.keyName, ledger.afterPut(write, answer.context));
      return;
    }
    ledger.conclude(write, answer?.kind === 'failed' ? outcomeOf(answer) : 'unknown', atMs);
    if (op.again === undefined || op.attempt === 3 || this.chance(0.3)) return;
    this.operations++;
    ledger.retried(write);
    const again = op.again(this.pick(this.world.coordinators));
    client.busy = { ...op, call: again, asking, attempt: op.attempt + 1 };
  }

  private condition(): Condition {
    return this.chance(0.5) ? { kind: 'absent' } : { kind: 'matches', etags: ['*'] };
  }

  private quorum(): Asking {
    const n = Math.min(3, this.story.owners.length);
    const size = () => 1 + this.below(n);
    const asking: { -readonly [K in keyof Asking]: Asking[K] } = {
      timeoutMs: this.pick([300, 1_000, 1_000, 4_000]),
    };
    if (this.chance(0.3)) asking.w = size();
    if (this.chance(0.3)) asking.r = size();
    if (this.chance(0.1)) asking.pw = size();
    if (this.chance(0.1)) asking.pr = size();
    if (this.chance(0.3)) asking.sloppy = false;
    return asking;
  }

  // ---- faults ----

  private fault(): void {
    const { storage, coordinators } = this.world;
    const node = this.pick(storage);
    const anyone = this.pick([...storage, ...storage, ...coordinators]);
    const menu: readonly (readonly [string, () => void])[] = [
      ['crash', () => this.world.isRunning(anyone) && this.world.crash(anyone)],
      ['crash in a turn', () => this.crashInTurn(node)],
      ['restart', () => this.restartOne()],
      ['restart', () => this.restartOne()],
      ['restart', () => this.restartOne()],
      ['bounce', () => this.world.restart(anyone)],
      ['recover', () => this.recover()],
      ['recover', () => this.recover()],
      ['freeze', () => this.freeze(anyone)],
      ['thaw', () => this.thawAll()],
      ['cut', () => this.world.cut(anyone, this.others(anyone))],
      ['cut one way', () => this.world.cutOneWay(anyone, this.pick(this.others(anyone)))],
      ['isolate', () => this.world.isolate(anyone)],
      ['heal', () => this.world.heal()],
      ['heal', () => this.world.heal()],
      ['heal', () => this.world.heal()],
      ['unplug', () => this.unplug(anyone)],
      ['plug', () => this.plugAll()],
      ['freeze bus', () => this.freezeBus()],
      ['duplicate', () => this.meddle('duplicate')],
      ['delay', () => this.meddle('delay')],
      ['drop', () => this.meddle('drop')],
      ['hold', () => this.meddle('hold')],
      ['release', () => this.release()],
      ['damage', () => this.damage()],
      ['replay', () => this.replay()],
      ['stop meddling', () => this.stopMeddling()],
    ];
    const [name, make] = this.pick(menu);
    this.count(this.faults, name);
    make();
  }

  private crashInTurn(node: string): void {
    const kind = this.pick<MessageKind>(['lead', 'merge', 'read', 'hintPage', 'hintAck', 'hintPull', 'swim']);
    this.world.crashOn(node, { kind }, this.pick(['beforeCommit', 'afterCommit'] as const));
  }

  private restartOne(): void {
    const dead = this.everyone().filter((id) => !this.world.isRunning(id));
    if (dead.length > 0) this.restart(this.pick(dead));
  }

  private restart(id: string): void {
    this.unplugged.delete(id);
    this.frozen.delete(id);
    this.world.restart(id);
  }

  private freeze(id: string): void {
    this.world.freeze(id);
    this.frozen.add(id);
  }

  private thawAll(): void {
    for (const id of this.frozen) this.world.thaw(id);
    this.frozen.clear();
    if (this.busFrozen) this.world.bus.thaw();
    this.busFrozen = false;
  }

  private freezeBus(): void {
    this.world.bus.freeze();
    this.busFrozen = true;
  }

  private unplug(id: string): void {
    if (!this.world.isRunning(id)) return;
    this.world.bus.unplug(id);
    this.unplugged.add(id);
  }

  private plugAll(): void {
    for (const id of this.unplugged) if (this.world.isRunning(id)) this.world.bus.plug(id);
    this.unplugged.clear();
  }

  private meddle(how: 'duplicate' | 'delay' | 'drop' | 'hold'): void {
    const kinds: readonly MessageKind[] = [
      'lead',
      'led',
      'merge',
      'merged',
      'read',
      'found',
      'refused',
      'echoed',
    ];
    const more: readonly MessageKind[] = ['hintOffer', 'hintPull', 'hintPage', 'hintAck', 'swim', 'echo'];
    const share = this.random.next() * 0.6;
    const match = { kind: this.pick([...kinds, ...kinds, ...more]), where: () => this.random.next() < share };
    const laterMs = () => this.pick([1, 5, 50, 400, 2_000]) * this.random.next();
    if (how === 'drop' || how === 'hold') this.taps.push(this.world.tap(match, how));
    else if (how === 'delay') this.taps.push(this.world.tap(match, { delayMs: laterMs() }));
    else this.taps.push(this.world.tap(match, { copyAfterMs: laterMs() }));
  }

  /** Old frames come again. */
  private replay(): void {
    if (this.taps.length > 0) this.pick(this.taps).replay();
  }

  private release(): void {
    if (this.taps.length > 0) this.pick(this.taps).release();
  }

  private stopMeddling(): void {
    for (const tap of this.taps) {
      if (this.chance(0.5)) tap.release();
      else tap.stop();
    }
    this.taps = [];
  }

  /** A row fails its checksum, while every other owner has what it had: one good copy is always left. */
  private damage(): void {
    const keyName = this.pick(this.keys);
    const owners = this.story.ownersOf(keyNamed(keyName));
    const isWhole = owners.every((owner) => {
      const row = this.story.row(owner, 'rows', keyNamed(keyName));
      return row !== undefined && row.suspectSince === undefined;
    });
    if (isWhole && this.story.ownersAgree(keyNamed(keyName)))
      this.story.damage(this.pick(owners), 'rows', keyNamed(keyName));
  }

  // ---- the end ----

  /** Everybody is back and can reach everybody. */
  private recover(): void {
    this.world.forgetCrashes();
    this.thawAll();
    this.plugAll();
    this.world.heal();
    for (const id of this.everyone()) if (!this.world.isRunning(id)) this.restart(id);
  }

  /** All faults are over: all calls are answered or given up, all hints delivered. */
  private repairWorld(): void {
    this.stopMeddling();
    this.recover();
    this.world.run(6_000);
    for (const client of this.clients) this.finish({ ...client, busy: undefined });
    for (const client of this.clients) {
      const op = client.busy;
      if (op !== undefined) this.finish(Object.assign(client, { busy: { ...op, again: undefined } }));
    }
    const drained = this.world.until(() => this.story.hints() === 0, 60_000);
    if (drained === undefined) this.violations.push(`${this.story.hints()} hints were never delivered`);
    for (const via of this.world.coordinators) {
      const { length } = this.world.usable(via);
      if (length < this.world.storage.length)
        this.violations.push(`${via} can use only ${length} storage pods`);
    }
  }

  /** There is no anti-entropy yet: one read at r=all is what brings the owners of a key together. */
  private conclude(): void {
    const n = this.story.owners.length;
    const readOf = (key: FullKey) => this.story.get('p', { key, r: n, sloppy: false });
    if ('damage' in this.faults) {
      for (const keyName of this.keys) this.story.answer(readOf(keyNamed(keyName)));
      this.story.untilHealable();
    }
    for (const keyName of this.keys) {
      const key = keyNamed(keyName);
      if (!('damage' in this.faults)) {
        const owners = this.story
          .ownersOf(key)
          .map((owner) => this.story.stateAt(owner, 'rows', key)?.siblings ?? []);
        this.ledger(keyName).durability(owners.map((siblings) => siblings.map(({ writeId }) => writeId)));
      }
      // A read fails for want of a row that it repairs; what that row has and the others have not, the next one finds.
      for (let isRead = false, tries = 0; !isRead && tries < 3; tries++) {
        isRead = this.story.answer(readOf(key)).kind === 'read';
        this.world.run(2_000);
      }
      const reading = this.readAll(key, n);
      if (reading === undefined) continue;
      const siblings = reading.state.siblings.map(({ writeId }) => writeId);
      this.ledger(keyName).conclusion(siblings);
      const isKnown = siblings.length > 0;
      if (isKnown && !this.story.ownersAgree(key)) this.violations.push(`${keyName}: the owners differ`);
    }
    this.world.run(2_000);
    if (this.story.hints() > 0) this.violations.push('hints came up after all were delivered');
    this.violations.push(...this.story.doubleDots(this.keys.map(keyNamed)));
  }

  private readAll(key: FullKey, n: number) {
    const call = this.story.get('q', { key, r: n, sloppy: false });
    const answer = this.story.answer(call);
    if (answer.kind === 'read') return answer.reading;
    this.violations.push(`the last read failed: ${JSON.stringify(answer)}`);
    return undefined;
  }

  // ---- drawing ----

  private everyone(): readonly string[] {
    return [...this.world.storage, ...this.world.coordinators];
  }

  private others(id: string): readonly string[] {
    const rest = this.everyone().filter((other) => other !== id);
    return rest.filter(() => this.chance(0.5)).concat(this.pick(rest));
  }

  private ledger(keyName: string): Ledger {
    return must(this.ledgers.get(keyName), 'every key has its ledger');
  }

  private below(n: number): number {
    return Math.floor(this.random.next() * n);
  }

  private chance(p: number): boolean {
    return this.random.next() < p;
  }

  private pick<T>(from: readonly T[]): T {
    return must(from[this.below(from.length)], 'something to pick from');
  }

  private count(in_: Record<string, number>, what: string): void {
    in_[what] = (in_[what] ?? 0) + 1;
  }
}

/** A dot is minted by a lead, and first seen in what is sent to the others, in an answer, or in a hint. */
function statesIn(message: Message): readonly Uint8Array[] {
  switch (message.kind) {
    case 'merge':
      return [message.state];
    case 'found':
      return message.what === 'state' ? [message.state] : [];
    case 'hintPage':
      return message.entries.map(({ state }) => state);
    default:
      return [];
  }
}

function outcomeOf(answer: Extract<Answer, { kind: 'failed' }>): 'none' | 'unknown' {
  const { failure } = answer;
  if ('outcome' in failure) return failure.outcome ?? 'unknown';
  // Any 4xx to a write means that it did not happen.
  return 'none';
}

function nameOf(answer: Answer): string {
  if (answer.kind !== 'failed') return answer.kind;
  const { failure } = answer;
  return `${failure.code}${'outcome' in failure && failure.outcome !== undefined ? ` ${failure.outcome}` : ''}`;
}
