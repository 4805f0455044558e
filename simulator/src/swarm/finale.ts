import { equalBytes } from '@circlet/shared/codec/bytes.ts';
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
  readonly blame: (invariant: Invariant, what: string) => void;
}

/** A timeout of a minute, three retries, and what waited behind them. */
const CALLS_MS_MAX = 900_000;
const DRAIN_MS_MAX = 180_000;
const SET_BYTES_MAX = 1_000_000;

/**
 * What has to be true when all faults are over: everybody serves, hints come home, replicas become equal, and what they
 * hold is what the ledger says. There is no anti-entropy yet: one read of each key at r=all is what brings its owners
 * together.
 */
export class Finale {
  private readonly options: FinaleOptions;

  constructor(options: FinaleOptions) {
    this.options = options;
  }

  /** Virtual milliseconds until all owners were equal. */
  play(): number {
    const { story, faults, keys } = this.options;
    const { world } = story;
    const startMs = world.nowMs;
    faults.restartAll();
    world.run(6_000);
    // Every call ends, and so do its repeats.
    if (world.until(() => this.options.clients.isIdle, CALLS_MS_MAX) === undefined)
      this.options.blame('liveness', 'clients are still waiting, long after all faults');
    this.serves();
    this.drains();
    for (const key of keys) this.readAll(key);
    if (faults.hasDamage) {
      // One read heals a damaged row, and the next one brings what only that row had to the others.
      story.untilHealable();
      for (const key of [...keys, ...keys]) this.readAll(key);
    }
    world.run(1_500);
    const convergedMs = world.nowMs - startMs;
    for (const key of keys) this.conclude(key);
    this.ownsOnly();
    return convergedMs;
  }

  private serves(): void {
    const { story, faults, blame } = this.options;
    const { world } = story;
    const expected = world.storage.length - faults.gone.size;
    for (const via of world.coordinators) {
      const usable = () => world.usable(via).length;
      if (world.until(() => usable() === expected, 60_000) === undefined)
        blame('liveness', `${via} can use ${usable()} of ${expected} storage pods, long after all faults`);
    }
  }

  private drains(): void {
    const { story, watch, faults, blame } = this.options;
    const healthy = new Set(story.world.storage.filter((node) => !faults.gone.has(node)));
    const owed = () => watch.hintsOwedTo(healthy);
    // Counted anew each time: often enough is every tenth of a second.
    let isDrained = owed() === 0;
    for (let waitedMs = 0; !isDrained && waitedMs < DRAIN_MS_MAX; waitedMs += 100) {
      story.world.run(100);
      isDrained = owed() === 0;
    }
    if (!isDrained) blame('I7', `${owed()} hints were never delivered`);
  }

  /** Reads until everybody who can vouch has. A read that fails repairs what it failed for, even where nobody can. */
  private readAll({ key }: PlanKey): void {
    const { story } = this.options;
    for (let tries = 0; tries < 3; tries++) {
      const r = Math.max(1, this.readable(key).length);
      const { kind } = story.answer(story.get('p', { key, r, sloppy: false }));
      story.world.run(kind === 'read' ? 50 : 2_000);
      if (kind === 'read') return;
    }
  }

  private healthy(key: PlanKey['key']): readonly string[] {
    const { story, faults } = this.options;
    return story.ownersOf(key).filter((owner) => !faults.gone.has(owner));
  }

  /** Owners whose row may be counted. */
  private readable(key: PlanKey['key']): readonly string[] {
    return this.healthy(key).filter((owner) => !this.options.story.isSuspect(owner, key));
  }

  private conclude({ key, name, ledger }: PlanKey): void {
    const { watch, faults, blame } = this.options;
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
    if (readable.length < this.healthy(key).length && faults.gone.size === 0)
      blame('I14', `${name}: a damaged row does not vouch again`);
    if (readable.length === 0) return;
    const rows = readable.map((owner) => watch.rowOf(owner, key));
    const [first] = rows;
    const isEqual = rows.every((row) =>
      row === undefined || first === undefined ? row === first : equalBytes(row, first),
    );
    if (!isEqual) blame('I3', `${name}: its owners differ`);
    this.readsWhatIsThere({ key, name, readable: readable.length }, siblings.length);
  }

  /** The last read shows what the disks hold. */
  private readsWhatIsThere(
    of: { readonly key: PlanKey['key']; readonly name: string; readonly readable: number },
    siblings: number,
  ): void {
    const { story, faults, blame } = this.options;
    const via = story.world.coordinators.at(-1) ?? 'p';
    const answer = story.answer(story.get(via, { key: of.key, r: of.readable, sloppy: false }));
    if (answer.kind !== 'read')
      blame('liveness', `${of.name}: the last read failed: ${JSON.stringify(answer)}`);
    else if (faults.gone.size === 0 && answer.reading.state.siblings.length !== siblings)
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

  /** Rows are with owners and nowhere else. */
  private ownsOnly(): void {
    const { story, faults, keys, blame } = this.options;
    for (const node of story.world.storage) {
      if (faults.gone.has(node)) continue;
      const owned = keys.filter(({ key }) => story.ownersOf(key).includes(node)).length;
      if (story.world.store(node).count('rows') > owned)
        blame('I3', `${node} holds rows that it does not own`);
    }
  }
}
