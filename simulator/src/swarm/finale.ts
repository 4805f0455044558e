import { equalBytes } from '@circlet/shared/codec/bytes.ts';
import type { RepairOptions } from '@circlet/storage/core/anti-entropy/anti-entropy.ts';
import type { Message } from '@circlet/shared/protocol/message.ts';
import { HEALABLE_MS } from '@circlet/storage/core/replica.ts';
import type { KeyLedger } from '../checks/key-ledger.ts';
import type { ReplicaWatch } from '../checks/replica-watch.ts';
import type { Invariant } from '../checks/violation.ts';
import { type Story, valueOf } from '../story.ts';
import type { Clients, PlanKey } from './clients.ts';
import type { Faults } from './faults.ts';
import { elementsOf, unionOf } from './set-value.ts';

export interface FinaleOptions {
  readonly story: Story;
  readonly watch: ReplicaWatch;
  readonly faults: Faults;
  readonly clients: Clients;
  readonly keys: readonly PlanKey[];
  readonly repair: RepairOptions | undefined;
  /** Looks for as long as it takes whether owners that are equal leave each other in peace. */
  readonly isWatchedLong: boolean;
  /** A row goes bad when all clients are done. */
  readonly hasLateDamage: boolean;
  readonly blame: (invariant: Invariant, what: string) => void;
}

/** How often everything is looked at. */
const POLL_MS = 50;
/** Connections are made anew, and what pods believe of each other is corrected, in seconds. */
const SERVING_MS_MAX = 60_000;
/** A timeout of a minute, three retries, and what waited behind them. */
const CALLS_MS_MAX = 900_000;
/** Large values at some kilobytes a second. */
const REFILL_MS_MAX = 900_000;
const LEFTOVERS_MS_MAX = 10_000;
const DRAIN_MS_MAX = 180_000;
/** A read repairs until a second after its answer. */
const REPAIR_MS = 1_500;
/** A pod whose disk was full has seen by then that there is room. */
const FULL_MS = 10_000;
/** One read of all owners makes them equal; the first may fail, or meet what a client has left under way. */
const READS_MAX = 6;
/** A pass of the scrub begins a minute after the one before. */
const SCRUB_MS = 60_000;
const SET_BYTES_MAX = 1_000_000;

/**
 * What has to be true when all faults are over: everybody serves, hints come home, replicas become equal, and what they
 * hold is what the ledger says. Where there is no background repair, one read of each key at r=all is what brings its
 * owners together.
 */
export class Finale {
  private readonly options: FinaleOptions;

  constructor(options: FinaleOptions) {
    this.options = options;
  }

  /** Virtual milliseconds from the end of all faults until everybody served, nobody waited, and all owners were equal. */
  play(): number {
    const { story, faults, keys } = this.options;
    const { world } = story;
    const startMs = world.nowMs;
    faults.restartAll();
    this.settle();
    const [first] = keys;
    if (this.options.repair !== undefined && this.options.hasLateDamage && first !== undefined)
      faults.rotUnread(first.key);
    if (this.options.repair !== undefined) this.repairThemselves(this.options.repair);
    for (const key of keys) this.converge(key);
    let convergedMs = world.nowMs - startMs;
    world.run(REPAIR_MS);
    // The last repair of a client's own read may have reached some owners only since.
    const undone = keys.filter(({ key }) => !this.isEqual(key));
    if (undone.length > 0) {
      for (const key of undone) this.converge(key);
      convergedMs = world.nowMs - startMs;
      world.run(REPAIR_MS);
    }
    if (keys.some(({ key }) => this.readable(key).length < this.healthy(key).length)) this.heal();
    for (const key of keys) this.conclude(key);
    const stray = this.strayRows();
    if (stray !== undefined) this.options.blame('I3', `${stray} holds rows that it does not own`);
    return convergedMs;
  }

  /** Everybody serves, every call and its repeats have ended, and every hint is home: all of it at the same time. */
  private settle(): void {
    const { clients, blame } = this.options;
    this.refills();
    this.moves();
    this.serves();
    if (!this.poll(() => clients.isIdle, CALLS_MS_MAX))
      blame('liveness', 'clients are still waiting, long after all faults');
    this.drains();
    // Somebody may have been thought of as he was before.
    this.serves();
  }

  /** Without a read: anti-entropy makes owners equal, and the scrub has damaged rows repaired until they vouch again. */
  private repairThemselves({ everyMs, scrubRowsPerSecond, bytesPerSecond }: RepairOptions): void {
    const { keys, blame, story } = this.options;
    const areEqual = () => keys.every(({ key }) => this.isEqual(key));
    // Each of the others in its turn, twice, and a rest for what is under way between them.
    const roundsMs = 2 * story.world.storage.length * everyMs + 20_000;
    if (!this.poll(areEqual, roundsMs))
      blame('I3', `owners differ ${roundsMs} ms after all faults, and repair is on`);
    // The only copy has nobody to be repaired from.
    if (keys.some(({ owners }) => owners === 1)) return;
    const isWhole = () => keys.every(({ key }) => this.readable(key).length === this.healthy(key).length);
    // Large rows take their time at some kilobytes a second, from each owner, and twice.
    const { watch } = this.options;
    const rows = keys.flatMap(({ key }) =>
      this.healthy(key).map((owner) => watch.rowOf(owner, key)?.length ?? 0),
    );
    const bytesMs = (4_000 * rows.reduce((sum, bytes) => sum + bytes, 0)) / bytesPerSecond;
    const healMs = bytesMs + SCRUB_MS + (keys.length / scrubRowsPerSecond) * 1000 + 3 * HEALABLE_MS + FULL_MS;
    if (!this.poll(isWhole, healMs)) blame('I14', 'a damaged row was not repaired, and nobody read it');
    if (!this.poll(areEqual, roundsMs)) blame('I3', 'what healed made owners differ, and repair is on');
    // A window is as long as a run; one in three is enough to find who goes on for ever.
    if (this.options.isWatchedLong) this.rests(roundsMs);
  }

  /** Equal owners have equal trees and nothing to tell each other, when what they had begun to tell has been told. */
  private rests(forMs: number): void {
    const { blame, story } = this.options;
    let told = 0;
    for (let windows = 0; windows < 5; windows++) {
      const tap = story.world.tap({ where: isAboutDifferences }, 'watch');
      story.world.run(forMs);
      tap.stop();
      told = tap.seen;
      if (told === 0) return;
    }
    blame('I3', `equal owners go on telling each other what they have: ${told} times in ${forMs} ms`);
  }

  /** Looks every so often, and says whether it came to be. */
  private poll(holds: () => boolean, forMs: number): boolean {
    const { world } = this.options.story;
    const endMs = world.nowMs + forMs;
    while (!holds()) {
      if (world.nowMs >= endMs) return false;
      world.run(POLL_MS);
    }
    return true;
  }

  /** Whoever lost its disk has been named on the new one, refilled, and is as good as the others. */
  private refills(): void {
    const { story, faults, blame } = this.options;
    const waiting = () =>
      [...faults.wiped].find(
        (pod) => this.members.includes(pod) && story.world.memberState(pod) !== 'active',
      );
    if (!this.poll(() => waiting() === undefined, REFILL_MS_MAX))
      blame('liveness', `${waiting()} is not refilled, long after all faults`);
  }

  /** Every move has ended, everybody knows it, and rows are with owners and nowhere else. */
  private moves(): void {
    const { watch, blame } = this.options;
    if (!this.poll(() => !watch.topologies.isMoving, REFILL_MS_MAX))
      blame('liveness', `vnodes still move, long after all faults`);
    if (!this.poll(() => this.strayRows() === undefined, LEFTOVERS_MS_MAX))
      blame('I3', `${this.strayRows()} holds rows that it does not keep`);
  }

  private get members(): readonly string[] {
    return this.options.watch.topologies.newest?.topology.members.map(({ name }) => name) ?? [];
  }

  private serves(): void {
    const { story, blame } = this.options;
    const { world } = story;
    const expected = this.members.length;
    const lacking = () => world.coordinators.find((via) => world.usable(via).length < expected);
    if (this.poll(() => lacking() === undefined, SERVING_MS_MAX)) return;
    const via = lacking() ?? '';
    blame(
      'liveness',
      `${via} can use ${world.usable(via).length} of ${expected} storage pods, long after all faults`,
    );
  }

  private drains(): void {
    const { watch, blame } = this.options;
    const isDrained = () => watch.hintsHeld === 0;
    if (!this.poll(isDrained, DRAIN_MS_MAX)) blame('I7', `${watch.hintsHeld} hints were never delivered`);
  }

  /** Reads the key until its owners are equal; what is left unequal is blamed at the end. */
  private converge(key: PlanKey): void {
    for (let reads = 0; reads < READS_MAX; reads++) {
      this.readAll(key);
      if (this.poll(() => this.isEqual(key.key), REPAIR_MS)) return;
    }
  }

  /** Reads until everybody who can vouch has. A read that fails repairs what it failed for, even where nobody can. */
  private readAll({ key }: PlanKey): void {
    const { story } = this.options;
    for (let tries = 0; tries < 3; tries++) {
      const r = Math.max(1, this.readable(key).length);
      const { kind } = story.answer(story.get('p', { key, r, sloppy: false }));
      if (kind === 'read') return;
      story.world.run(2_000);
    }
  }

  private isEqual(key: PlanKey['key']): boolean {
    const { watch } = this.options;
    const [first, ...others] = this.readable(key).map((owner) => watch.rowOf(owner, key));
    return others.every((row) =>
      row === undefined || first === undefined ? row === first : equalBytes(row, first),
    );
  }

  /** The wait begins with what replaces a damaged row, and a disk that was full to the last takes nothing for a while. */
  private heal(): void {
    const { story, keys } = this.options;
    story.world.run(FULL_MS);
    for (const key of keys) this.readAll(key);
    story.untilHealable();
    // One read heals a damaged row, and the next one brings what only that row had to the others.
    for (const key of [...keys, ...keys]) this.readAll(key);
    story.world.run(REPAIR_MS);
  }

  private healthy(key: PlanKey['key']): readonly string[] {
    return this.options.watch.ownersOf(key);
  }

  /** Owners whose row may be counted. */
  private readable(key: PlanKey['key']): readonly string[] {
    return this.healthy(key).filter((owner) => !this.options.story.isSuspect(owner, key));
  }

  private conclude({ key, name, ledger }: PlanKey): void {
    const { watch, blame } = this.options;
    const slots = watch.slots(key);
    for (const record of ledger.writes) {
      if (record.outcome !== 'ok') continue;
      const copies = slots.filter((slot) => slot.has(record.index)).length;
      if (copies < record.copies)
        blame('I1', `${name}: ${record.name} has ${copies} copies of ${record.copies}`);
    }
    const whole = watch.merged(key);
    const siblings = whole?.siblings ?? [];
    ledger.conclusion(siblings.map(({ writeId }) => writeId));
    this.keepsElements(
      ledger,
      siblings.flatMap((s) => (s.deleted ? [] : [valueOf(s, SET_BYTES_MAX)])),
    );
    const readable = this.readable(key);
    if (readable.length < this.healthy(key).length)
      blame('I14', `${name}: a damaged row does not vouch again`);
    if (readable.length === 0) return;
    if (!this.isEqual(key)) blame('I3', `${name}: its owners differ`);
    this.readsWhatIsThere({ key, name, readable: readable.length }, siblings.length);
  }

  /** The last read shows what the disks hold. */
  private readsWhatIsThere(
    of: { readonly key: PlanKey['key']; readonly name: string; readonly readable: number },
    siblings: number,
  ): void {
    const { story, blame } = this.options;
    const via = story.world.coordinators.at(-1) ?? 'p';
    const answer = story.answer(story.get(via, { key: of.key, r: of.readable, sloppy: false }));
    if (answer.kind !== 'read')
      blame('liveness', `${of.name}: the last read failed: ${JSON.stringify(answer)}`);
    else if (answer.reading.state.siblings.length !== siblings)
      blame('I3', `${of.name}: the last read shows other siblings than the disks hold`);
  }

  /** A set to which clients only ever added has every element whose adding was acknowledged. */
  private keepsElements(ledger: KeyLedger, values: readonly string[]): void {
    const acknowledged = ledger.writes.filter(({ outcome }) => outcome === 'ok');
    if (!this.isSet(ledger)) return;
    const elements = new Set(unionOf(values.map(elementsOf)));
    const missing = acknowledged.find(({ name }) => !elements.has(Number(name.slice(1))));
    if (missing !== undefined) this.options.blame('I1', `element ${missing.name} of a set is missing`);
  }

  private isSet({ writes }: KeyLedger): boolean {
    return writes.length > 0 && writes.every((write) => write.isElement);
  }

  /** A member that holds more rows than it owns. */
  private strayRows(): string | undefined {
    const { story, watch, keys } = this.options;
    return this.members.find((node) => {
      const owned = keys.filter(({ key }) => watch.ownersOf(key).includes(node)).length;
      return story.world.store(node).count('rows') > owned;
    });
  }
}

/** What owners say to each other when they differ. A question with a number is about a row that was damaged. */
function isAboutDifferences(message: Message): boolean {
  if (message.kind === 'rowsAsk') return message.id === 0;
  if (message.kind === 'rowsTold') return message.answers === 0;
  return message.kind === 'treeNodes' || message.kind === 'treeRows';
}
