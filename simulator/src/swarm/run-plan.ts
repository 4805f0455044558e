import { latin1 } from '@circlet/shared/codec/bytes.ts';
import type { Message } from '@circlet/shared/protocol/message.ts';
import type { FullKey } from '@circlet/shared/ring/key.ts';
import { locate } from '@circlet/storage/core/hint-ledger.ts';
import { BusWatch } from '../checks/bus-watch.ts';
import { KeyLedger } from '../checks/key-ledger.ts';
import { ReplicaWatch } from '../checks/replica-watch.ts';
import type { Invariant, Violation } from '../checks/violation.ts';
import { SqliteDisk } from '../disks/sqlite-disk.ts';
import type { Disk } from '../disk.ts';
import { keyNamed, Story } from '../story.ts';
import type { ClockSkew } from '../process.ts';
import type { Frame, Match } from '../tap.ts';
import { DAY_MS, type World } from '../world.ts';
import { Clients, type PlanKey } from './clients.ts';
import { Faults } from './faults.ts';
import { Finale } from './finale.ts';
import type { Outcome } from './outcome.ts';
import type { Plan } from './plan.ts';

export interface RunOptions {
  /** Told in order of time what happens, a line each. */
  readonly story?: (line: string) => void;
  /** The plan is what is left of another: it does not have to show anything by itself. */
  readonly isPart?: boolean;
}

/** Of one run; what follows a broken invariant says little. */
const VIOLATIONS_MAX = 50;
/** A run in which hardly anything succeeds shows nothing. */
const SUCCEEDED_SHARE_MIN = 0.02;

/**
 * Makes a plan happen in a world of its own and says what came of it. Never throws for what the product does wrong: a
 * machine that meets its own bug is a violation like any other.
 */
export function runPlan(plan: Plan, options: RunOptions = {}): Outcome {
  const disks: SqliteDisk[] = [];
  try {
    return new Run(plan, options, disks).outcome();
  } finally {
    for (const disk of disks) disk.remove();
  }
}

class Run {
  private readonly plan: Plan;
  private readonly violations: Violation[] = [];
  private readonly keys: readonly PlanKey[];
  private readonly story: Story | undefined;
  private readonly clients: Clients | undefined;
  private readonly faults: Faults | undefined;
  private convergedMs = 0;
  private readonly isPart: boolean;
  private readonly tellStory: ((line: string) => void) | undefined;
  private readonly nowMs: () => number;

  constructor(plan: Plan, options: RunOptions, disks: SqliteDisk[]) {
    this.plan = plan;
    this.tellStory = options.story;
    this.isPart = options.isPart === true;
    let story: Story | undefined;
    this.nowMs = () => story?.world.nowMs ?? 0;
    const places = new Map<number, FullKey>();
    const ledgers = new Map<string, KeyLedger>();
    const bus = new BusWatch((invariant, what) => this.blame(invariant, what));
    const watch = new ReplicaWatch({
      ledgerOf: (key) => ledgers.get(latin1(key)),
      keys: () => [...places.values()],
      keyAt: (prefix) => places.get(prefix),
      blame: (invariant, what) => this.blame(invariant, what),
      nowMs: this.nowMs,
      leadsUntilMs: (pod, writeId) => bus.leadsUntilMs(pod, writeId),
      monoMs: (pod) => story?.world.monoMs(pod) ?? 0,
      lifeOf: (pod) => `${pod}/${story?.world.deathsOf(pod)}`,
      toldSince: (from, to, sinceMs) =>
        [to, ...(story?.world.coordinators ?? [])].some(
          (by) => (story?.world.bus.lastArrivalMs(from, by) ?? 0) >= sinceMs,
        ),
    });
    const { shape } = plan;
    try {
      story = new Story({
        ...shape,
        seed: plan.seed,
        disks: (id) => {
          const disk = new SqliteDisk(id);
          disks.push(disk);
          return disk satisfies Disk;
        },
        skew: (_, random) => skewIn(plan, random, this.nowMs()),
        watch,
      });
    } catch (error) {
      this.blame('sound', error instanceof Error ? error.message : String(error));
      this.keys = [];
      return;
    }
    this.story = story;
    const { world } = story;
    world.bus.hopMs = () => hopIn(plan, world.random.next);
    world.bus.keepsFrames = true;
    const told = (of: Match, tell: (message: Message, frame: Frame) => void) =>
      world.tap({ ...of, where: (message, frame) => (tell(message, frame), false) }, 'watch');
    told({ from: world.coordinators }, (message, frame) => bus.fromCoordinator(message, frame));
    told({ to: world.coordinators }, (message, frame) => bus.toCoordinator(message, frame));
    this.keys = Array.from({ length: shape.keys }, (_, i) => {
      const name = `key-${i}`;
      const key = keyNamed(name);
      const ledger = new KeyLedger(name, (invariant, what) => this.blame(invariant, what));
      places.set(locate(key).prefix, key);
      ledgers.set(latin1(key), ledger);
      return { name, key, ledger, owners: watch.ownersOf(key).length };
    });
    const tell = (line: string) => this.tell(line);
    this.faults = new Faults({
      world,
      plan,
      watch,
      ownersOf: (key) => watch.ownersOf(key),
      keys: this.keys.map(({ key }) => key),
      tell,
    });
    const { faults } = this;
    this.clients = new Clients({
      plan,
      story,
      keys: this.keys,
      watch,
      faults,
      blame: (invariant, what) => this.blame(invariant, what),
      tell,
    });
    this.play(story, watch, this.clients, faults);
  }

  outcome(): Outcome {
    const { plan, story, clients, faults } = this;
    const fired = Object.values(faults?.fired ?? {}).reduce((sum, n) => sum + n, 0);
    const operations = clients?.operations ?? 0;
    const succeeded = clients?.succeeded ?? 0;
    if (!this.isPart) {
      // Strict reads of a key whose rows are damaged fail for a minute and more, and there may be no other key.
      const share = this.faults?.hasDamage === true ? 0 : SUCCEEDED_SHARE_MIN;
      const busy = clients?.busy ?? { operations: 0, succeeded: 0 };
      if (busy.succeeded < Math.max(1, busy.operations * share))
        this.blame('vacuous', `${busy.succeeded} of ${busy.operations} operations under faults succeeded`);
      if (fired === 0) this.blame('vacuous', 'no fault took effect');
    }
    return {
      seed: plan.seed,
      trace: story?.world.trace.digest ?? '',
      violations: this.violations.toSorted((a, b) => a.atMs - b.atMs),
      operations,
      succeeded,
      answered: clients?.answered ?? {},
      faults: faults?.fired ?? {},
      virtualMs: this.nowMs(),
      convergedMs: this.convergedMs,
      excusedByUnknown: this.keys.reduce((sum, { ledger }) => sum + ledger.excusedByUnknown, 0),
    };
  }

  private play(story: Story, watch: ReplicaWatch, clients: Clients, faults: Faults): void {
    const { world } = story;
    const startMs = world.nowMs;
    faults.prepare(startMs);
    this.playFrom(0, startMs, world, clients, faults);
    try {
      world.time.at(startMs + this.plan.busyMs, () => this.tell('all faults are over'));
      world.run(Math.max(this.plan.busyMs, this.plan.steps.at(-1)?.atMs ?? 0) + 1);
      const finale = new Finale({
        story,
        watch,
        faults,
        clients,
        keys: this.keys,
        repair: this.plan.shape.repair,
        isWatchedLong: this.plan.seed % 3 === 0,
        hasLateDamage: this.plan.seed % 10 === 0,
        blame: (invariant, what) => this.blame(invariant, what),
      });
      this.convergedMs = finale.play();
      for (const { pod, notice, atMs } of world.alarms) {
        if (isExpected(notice.event, faults)) continue;
        this.add({ invariant: 'sound', atMs, what: `alarm at ${pod}: ${JSON.stringify(notice)}` });
      }
    } catch (error) {
      this.blame('sound', error instanceof Error ? `${error.name}: ${error.message}` : String(error));
    }
  }

  /** One step puts the next on the clock: a queue of thousands would make every other timer dearer. */
  private playFrom(first: number, startMs: number, world: World, clients: Clients, faults: Faults): void {
    const step = this.plan.steps[first];
    if (step === undefined) return;
    world.time.at(startMs + step.atMs, () => {
      this.playFrom(first + 1, startMs, world, clients, faults);
      if (step.kind === 'client') clients.act(step);
      else faults.act(step, startMs);
    });
  }

  private blame(invariant: Invariant, what: string): void {
    this.add({ invariant, atMs: this.nowMs(), what });
  }

  private add(violation: Violation): void {
    this.tell(`VIOLATION ${violation.invariant}: ${violation.what}`);
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push(violation);
  }

  private tell(line: string): void {
    this.tellStory?.(`${(this.nowMs() / 1000).toFixed(3).padStart(10)} s  ${line}`);
  }
}

/** A damaged row is found, and a disk that was wiped is not the one that the topology names. */
function isExpected(alarm: string, { hasDamage, hasHintDamage, wiped }: Faults): boolean {
  if (alarm === 'row_suspect') return hasDamage || hasHintDamage;
  if (alarm === 'hint_lost') return hasHintDamage;
  if (alarm === 'row_lost') return hasDamage;
  if (alarm === 'disk_not_in_topology') return wiped.size > 0;
  return alarm === 'clock_jump';
}

function hopIn({ network }: Plan, random: () => number): number {
  return network.hopMs * (0.5 + random());
}

/** A monotonic clock begins with the process, so what was meant for one life may be in time for the next (rule 15). */
function skewIn({ shape }: Plan, random: () => number, nowMs: number): ClockSkew {
  return {
    monoMs: random() < 0.5 ? random() * 1_000 - nowMs : Math.floor(random() * DAY_MS),
    wallMs: Math.floor(1.8e12 + (random() - 0.5) * 2 * shape.wallSkewMs),
    drift: (random() - 0.5) * 2 * shape.drift,
  };
}
