import type { Message } from '@circlet/shared/protocol/message.ts';
import { unreachable } from '@circlet/shared/assert.ts';
import { keyNamed } from '../story.ts';
import type { Disk } from '../disk.ts';
import type { Weather } from '../virtual-bus.ts';
import type { World } from '../world.ts';
import type { ReplicaWatch } from '../checks/replica-watch.ts';
import { locate } from '@circlet/storage/core/hint-ledger.ts';
import type { FullKey } from '@circlet/shared/ring/key.ts';
import type { FaultName, FaultStep, Plan } from './plan.ts';

/**
 * Makes the faults of a plan happen and ends them. Several may hold the same pod down or the same link cut: it comes back
 * when the last of them is over.
 */
export class Faults {
  /** Faults that took effect, by kind. */
  readonly fired: Partial<Record<FaultName, number>> = {};
  /** Pods whose disk was wiped: each is replaced by itself on an empty one, and refilled. */
  readonly wiped = new Set<string>();
  /** A row was damaged: what replaces it does not vouch for a while. */
  hasDamage = false;
  /** A hint was: it stays as it is. */
  hasHintDamage = false;
  private readonly world: World;
  private readonly plan: Plan;
  private readonly watch: ReplicaWatch;
  private readonly ownersOf: (key: FullKey) => readonly string[];
  private readonly keys: readonly FullKey[];
  private readonly tell: (line: string) => void;
  private readonly holds = new Map<string, number>();
  private readonly storms: Weather[] = [];
  private readonly backups = new Map<FaultStep, Disk>();
  private readonly full = new Set<string>();
  /** Pods that get little CPU, and how much later each turn of theirs comes: in the next life too. */
  private readonly slowed = new Map<string, number>();
  private readonly disturbedMs = new Map<string, number>();
  /** Faults under way, and when the last one began or ended: a pod that has been dead for long is none. */
  private restless = 0;
  private lastRestlessMs: number;

  constructor(options: {
    readonly world: World;
    readonly plan: Plan;
    readonly watch: ReplicaWatch;
    readonly ownersOf: (key: FullKey) => readonly string[];
    readonly keys: readonly FullKey[];
    readonly tell: (line: string) => void;
  }) {
    this.world = options.world;
    this.plan = options.plan;
    this.watch = options.watch;
    this.ownersOf = options.ownersOf;
    this.keys = options.keys;
    this.tell = options.tell;
    this.world.bus.weather = this.plan.network;
    const { loss, duplicate, delay } = this.plan.network;
    this.lastRestlessMs = loss + duplicate + delay > 0 ? Number.POSITIVE_INFINITY : this.world.nowMs;
  }

  /** What a step needs before its time: the backup that it will restore. */
  prepare(startMs: number): void {
    for (const step of this.plan.steps) {
      if (step.kind !== 'fault' || step.fault !== 'restore') continue;
      const { pod } = step;
      this.world.time.at(startMs + Math.max(0, step.atMs - step.ageMs), () =>
        this.backups.set(step, this.world.backup(pod)),
      );
    }
  }

  /** The step's time has come: it begins, and its end is put on the clock. */
  act(step: FaultStep, startMs: number): void {
    if (!this.isPossible(step)) return;
    const endMs = Math.min(step.atMs + step.forMs, this.plan.busyMs);
    this.tell(`${describeFault(step)}, for ${((endMs - step.atMs) / 1000).toFixed(1)} s`);
    const end = this.begin(step);
    const isDeath = step.fault === 'crash' || step.fault === 'stop';
    this.stir(isDeath ? 0 : 1);
    this.world.time.at(startMs + endMs, () => {
      end();
      this.stir(isDeath ? 0 : -1, step.fault === 'slow' ? step.turnMs : 0);
    });
  }

  /** Whether the pod was down, hung, slow or cut off by us at any time since. */
  isDisturbedSince(pod: string, sinceMs: number): boolean {
    const isNow = [pod, `freeze ${pod}`, `slow ${pod}`, `plug ${pod}`].some((what) => this.isHeld(what));
    return isNow || (this.disturbedMs.get(pod) ?? Number.NEGATIVE_INFINITY) >= sinceMs;
  }

  /**
   * Whether nothing but dead pods has been wrong since: then whoever is left must do what is asked of it. A fault that is
   * over goes on for a while in what pods believe of each other.
   */
  isCalmSince(sinceMs: number): boolean {
    return this.restless === 0 && this.lastRestlessMs < sinceMs - CALM_MS;
  }

  /** Rule 13: what a pod that is being refilled has counts for nothing. */
  private vouchesEarly(pod: string, message: Message): boolean {
    const isVouching = message.kind === 'found' && message.as === 'owner' && message.what !== 'suspect';
    const isEarly = isVouching && this.world.memberState(pod) === 'refilling';
    if (isEarly) this.watch.vouchedEarly(pod);
    return isEarly;
  }

  /** Whether a wiped pod is not as good as the others yet. */
  get isReplacing(): boolean {
    return !this.areDisksWhole();
  }

  /** When nobody will read any more, a row that its pod holds goes bad: only the scrub can find it. */
  rotUnread(key: FullKey): void {
    const [owner] = this.ownersOf(key);
    const at = locate(key);
    if (owner === undefined || !this.world.rot(owner, 'rows', at)) return;
    this.tell(`a row of ${owner} goes bad, and nobody reads it`);
    this.watch.rotted(owner, 'rows', at);
    this.hasDamage = true;
  }

  /** Everything is over: the network is fair, and pods that died of what was done to them start again. */
  restartAll(): void {
    this.world.bus.weather = { loss: 0, duplicate: 0, delay: 0, delayMs: 0 };
    for (const pod of [...this.world.storage, ...this.world.coordinators]) this.ensureUp(pod);
  }

  private stir(by: number, afterMs = 0): void {
    this.restless += by;
    this.lastRestlessMs = Math.max(this.lastRestlessMs, this.world.nowMs + afterMs);
  }

  private isPossible(step: FaultStep): boolean {
    // One at a time, and not while another is refilled: disks are lost faster than they are refilled by nobody's fault but ours.
    if (step.fault === 'wipe') return this.staying >= MEMBERS_MIN && this.areDisksWhole();
    if (step.fault === 'change' && step.verb === 'leave')
      return this.staying - step.names.length >= MEMBERS_MIN;
    // A disk that was replaced is fenced for good.
    if (step.fault === 'restore') return !this.wiped.has(step.pod) && this.backups.has(step);
    if (step.fault === 'slow' || step.fault === 'freeze' || step.fault === 'clockStep')
      return this.world.isRunning(step.pod);
    return step.fault !== 'clog' || step.from !== step.to;
  }

  /** Of those who stay: when one of two loses its disk, there is no majority that could name another. */
  private get staying(): number {
    const members = this.watch.topologies.newest?.topology.members ?? [];
    return members.filter(({ state }) => state !== 'leaving').length;
  }

  private areDisksWhole(): boolean {
    const { newest } = this.watch.topologies;
    const members = newest?.topology.members ?? [];
    return members.every(
      ({ name, disk, state }) => state !== 'refilling' && this.world.store(name).disk === disk,
    );
  }

  /** Begins a fault; what ends it. */
  private begin(step: FaultStep): () => void {
    const { world } = this;
    switch (step.fault) {
      case 'crash':
        return this.down(step, step.pod, () => world.crash(step.pod));
      case 'stop':
        return this.down(step, step.pod, () => world.stop(step.pod));
      case 'crashInTurn':
        world.crashOn(step.pod, { kind: step.on }, step.point);
        return this.mayDie(step, step.pod, () => !world.forgetCrash(step.pod));
      case 'writeError':
        return this.mayDie(step, step.pod, world.failCommit(step.pod, step.kept ? 'kept' : 'lost'));
      case 'freeze':
        return this.freeze(step, step.pod);
      case 'slow':
        return this.slow(step, step.pod, step.turnMs);
      case 'partition':
        return this.partition(step);
      case 'clog':
        world.bus.clog(step.from, step.to);
        this.count(step);
        return this.once(`clog ${step.from}>${step.to}`, () => world.bus.unclog(step.from, step.to));
      case 'unplug':
        return this.unplug(step, step.pod);
      case 'busFreeze':
        world.bus.freeze();
        this.count(step);
        return this.once('busFreeze', () => world.bus.thaw());
      case 'busDeath':
        return this.busDeath(step);
      case 'storm':
        return this.storm(step);
      case 'replay':
        if (world.bus.replay(step.frames) > 0) this.count(step);
        return nothing;
      case 'diskFull':
        return this.fill(step, step.pod);
      case 'wipe':
      case 'restore':
      case 'flipRow':
      case 'flipLog':
        return this.changeDisk(step);
      case 'rot':
        this.rot(step);
        return nothing;
      case 'change':
        this.change(step);
        return nothing;
      case 'clockStep':
        world.stepClock(step.pod, step.ms);
        this.count(step);
        return nothing;
      default:
        return unreachable(step);
    }
  }

  private down(step: FaultStep, pod: string, end: () => void): () => void {
    if (this.world.isRunning(pod)) {
      end();
      this.count(step);
    }
    this.disturb(pod);
    return this.once(pod, () => this.ensureUp(pod));
  }

  /** It will die, or not, at a moment of its own choice; `disarm` says whether that has come. */
  private mayDie(step: FaultStep, pod: string, disarm: () => boolean): () => void {
    const deaths = this.world.deathsOf(pod);
    this.disturb(pod);
    return () => {
      const hasCome = disarm();
      this.disturb(pod);
      if (hasCome && this.world.deathsOf(pod) > deaths) this.count(step);
      this.ensureUp(pod);
    };
  }

  private ensureUp(pod: string): void {
    if (this.isHeld(pod) || this.world.isRunning(pod)) return;
    this.world.start(pod);
    this.disturb(pod);
    if (this.full.has(pod)) this.world.fill(pod, true);
    this.world.slow(pod, this.slowed.get(pod) ?? 0);
  }

  private freeze(step: FaultStep, pod: string): () => void {
    this.world.freeze(pod);
    this.count(step);
    this.disturb(pod);
    return this.once(`freeze ${pod}`, () => {
      this.world.thaw(pod);
      this.disturb(pod);
    });
  }

  private slow(step: FaultStep, pod: string, turnMs: number): () => void {
    this.slowed.set(pod, turnMs);
    this.world.slow(pod, turnMs);
    this.disturb(pod);
    this.count(step);
    return this.once(`slow ${pod}`, () => {
      this.slowed.delete(pod);
      this.world.slow(pod, 0);
      // A turn that was put off before comes as late as it was to.
      this.disturb(pod, turnMs);
    });
  }

  private partition(step: FaultStep & { readonly fault: 'partition' }): () => void {
    const links = step.left.flatMap((a) =>
      step.right
        .filter((b) => b !== a)
        .flatMap(
          (b) =>
            (step.oneWay
              ? [[a, b]]
              : [
                  [a, b],
                  [b, a],
                ]) as [string, string][],
        ),
    );
    if (links.length > 0) this.count(step);
    const ends = links.map(([from, to]) => {
      this.world.cutOneWay(from, to);
      return this.once(`cut ${from}>${to}`, () => this.world.bus.mend(from, to));
    });
    return () => {
      for (const end of ends) end();
    };
  }

  private unplug(step: FaultStep, pod: string): () => void {
    if (this.world.bus.isPlugged(pod)) this.count(step);
    this.world.bus.unplug(pod);
    this.disturb(pod);
    return this.once(`plug ${pod}`, () => {
      this.disturb(pod);
      if (this.world.isRunning(pod)) this.world.bus.plug(pod);
    });
  }

  private busDeath(step: FaultStep): () => void {
    this.world.bus.die();
    this.count(step);
    return this.once('busDeath', () => this.world.bus.revive((pod) => !this.isHeld(`plug ${pod}`)));
  }

  private storm(step: FaultStep & { readonly fault: 'storm' }): () => void {
    const { loss, duplicate, delay } = step;
    const storm = { loss, duplicate, delay, delayMs: Math.max(50, this.plan.network.delayMs) };
    this.storms.push(storm);
    this.count(step);
    this.weather();
    return () => {
      this.storms.splice(this.storms.indexOf(storm), 1);
      this.weather();
    };
  }

  private weather(): void {
    const all = [this.plan.network, ...this.storms];
    const worst = (of: keyof Weather) => Math.max(...all.map((each) => each[of]));
    this.world.bus.weather = {
      loss: worst('loss'),
      duplicate: worst('duplicate'),
      delay: worst('delay'),
      delayMs: worst('delayMs'),
    };
  }

  private fill(step: FaultStep, pod: string): () => void {
    this.full.add(pod);
    this.world.fill(pod, true);
    this.count(step);
    return this.once(`full ${pod}`, () => {
      this.full.delete(pod);
      this.world.fill(pod, false);
    });
  }

  private changeDisk(
    step: FaultStep & { readonly fault: 'wipe' | 'restore' | 'flipRow' | 'flipLog' },
  ): () => void {
    const { world } = this;
    const { pod } = step;
    this.disturb(pod);
    const back = this.once(pod, () => this.ensureUp(pod));
    if (world.isRunning(pod)) {
      if (step.fault === 'flipLog') world.crash(pod);
      else world.stop(pod);
    }
    const backup = this.backups.get(step);
    const random = world.random.next;
    let isDone = true;
    const votes = step.fault === 'restore' || step.fault === 'flipLog';
    this.watch.lossy(
      pod,
      this.keys,
      () => {
        if (step.fault === 'wipe') world.wipe(pod);
        else if (step.fault === 'restore' && backup !== undefined) world.replaceDisk(pod, backup);
        else if (step.fault === 'flipRow')
          world.changeDisk(pod, (disk) => {
            isDone = disk.flipRow?.(random) === true;
          });
        else if (step.fault === 'flipLog')
          world.changeDisk(pod, (disk) => {
            isDone = disk.flipLog?.(random) === true;
          });
      },
      votes,
    );
    if (isDone) this.count(step);
    if (step.fault === 'wipe') {
      this.wiped.add(pod);
      const deaf = world.tap({ to: pod, kind: 'refillTold' }, 'drop');
      world.time.after(step.refillMs, () => deaf.stop());
      world.tap({ from: pod, kind: 'found', where: (message) => this.vouchesEarly(pod, message) }, 'watch');
      this.watch.isWiped(pod, this.keys);
    }
    if (step.fault === 'flipRow' && isDone) this.hasDamage = true;
    return back;
  }

  /** The plan does not know who holds the key: the pod it names, or one that does in its place. */
  private rot(step: FaultStep & { readonly fault: 'rot' }): void {
    const at = locate(keyNamed(`key-${step.key}`));
    const { world, watch } = this;
    const owners = this.ownersOf(at.key);
    const holders =
      step.of === 'rows'
        ? owners
        : world.storage.filter((pod) => world.store(pod).get('hints', at).kind === 'found');
    const pod = holders.includes(step.pod)
      ? step.pod
      : holders[Number(step.pod.slice(1)) % Math.max(1, holders.length)];
    if (pod === undefined || !world.rot(pod, step.of, at)) return;
    watch.rotted(pod, step.of, at);
    if (step.of === 'rows') this.hasDamage = true;
    else this.hasHintDamage = true;
    this.count(step);
  }

  /** As an operator does who plans a change, looks at it, has it chosen, and asks again until it is. */
  private change(step: FaultStep & { readonly fault: 'change' }): void {
    const { world } = this;
    const { pod, verb, names, weight } = step;
    const ask = { verb, names, weight };
    const commit = (digest: string, tries: number) => {
      world.askForChange(pod, { ...ask, commits: digest }, ({ status }) => {
        if (status === 'chosen') this.count(step);
        if (status === 'proposed' && tries > 0) world.time.after(500, () => commit(digest, tries - 1));
      });
    };
    world.askForChange(pod, { ...ask, commits: undefined }, ({ status, digest }) => {
      if (status === 'planned') world.time.after(50, () => commit(digest, 10));
    });
  }

  // ---- several faults at once ----

  /** Holds `what` until the returned function is called; `release` when nobody holds it any more. */
  private once(what: string, release: () => void): () => void {
    this.holds.set(what, (this.holds.get(what) ?? 0) + 1);
    return () => {
      const left = (this.holds.get(what) ?? 1) - 1;
      if (left > 0) this.holds.set(what, left);
      else this.holds.delete(what);
      if (left === 0) release();
    };
  }

  private isHeld(what: string): boolean {
    return this.holds.has(what);
  }

  private disturb(pod: string, forMs = 0): void {
    this.disturbedMs.set(pod, Math.max(this.disturbedMs.get(pod) ?? 0, this.world.nowMs + forMs));
  }

  private count({ fault }: FaultStep): void {
    this.fired[fault] = (this.fired[fault] ?? 0) + 1;
  }
}

/** Echoes and connections have settled by then. */
const CALM_MS = 6_000;
const MEMBERS_MIN = 3;
const nothing = () => undefined;

export function describeFault(step: FaultStep): string {
  const { kind: _, atMs: __, forMs: ___, fault, ...rest } = step;
  const details = Object.entries(rest).map(([name, value]) => `${name} ${String(value)}`);
  return `FAULT ${fault} ${details.join(', ')}`;
}
