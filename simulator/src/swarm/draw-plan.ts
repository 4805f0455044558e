import { unreachable } from '@circlet/shared/assert.ts';
import type { MessageKind } from '@circlet/shared/protocol/message.ts';
import { DAY_MS } from '../world.ts';
import { Draw } from './draw.ts';
import type { ClientStep, Fault, FaultName, FaultStep, Network, Plan, Shape, Verb } from './plan.ts';

/**
 * A seed's plan, swarm style (Groce et al., ISSTA 2012): every seed draws which faults there are at all and how often each
 * comes, how the network is, what the clients like to do. A seed with everything at once hides what needs a quiet moment,
 * and one with a little of everything never meets what needs a lot.
 */
export function drawPlan(seed: number): Plan {
  const draw = new Draw(seed ^ 0x5eed);
  const shape = drawShape(draw);
  const habits = drawHabits(draw, shape);
  const faults = drawFaults(draw, shape, habits.busyMs);
  const clients = drawClients(draw, shape, habits);
  const encore = drawEncore(new Draw(seed ^ 0xe2c02e), shape, habits, clients.length);
  const steps = [...clients, ...faults, ...encore].toSorted((a, b) => a.atMs - b.atMs);
  return { seed, shape, network: drawNetwork(draw), steps, busyMs: habits.busyMs };
}

function drawShape(draw: Draw): Shape {
  const members = draw.between(3, draw.chance(0.7) ? 6 : 9);
  const spares = draw.chance(0.6) ? draw.between(1, 2) : 0;
  return {
    storage: members + spares,
    spares,
    coordinators: draw.between(1, 3),
    zones: draw.chance(0.3) ? draw.between(2, 3) : 1,
    replicas: draw.chance(0.8) ? 3 : draw.between(1, Math.min(5, members)),
    // Few, and several keys share one.
    vnodes: draw.chance(0.3) ? 2 : 8,
    keys: draw.between(1, draw.chance(0.8) ? 6 : 16),
    clients: draw.between(2, 10),
    hintKeysMax: draw.chance(0.1) ? draw.between(1, 3) : 1_000_000,
    siblingsMax: draw.chance(0.1) ? draw.between(1, 6) : 100,
    requestsMax: draw.chance(0.1) ? draw.between(1, 4) : 10_000,
    wallSkewMs: draw.chance(0.3) ? 90 * DAY_MS : draw.scale(1, 10_000),
    drift: draw.chance(0.5) ? 0 : draw.scale(1e-6, 1e-3),
    repair: draw.chance(0.7)
      ? {
          everyMs: draw.pick([1_000, 3_000, 8_000]),
          bytesPerSecond: draw.pick([20_000, 8_000_000]),
          scrubRowsPerSecond: draw.pick([1, 100]),
        }
      : undefined,
  };
}

function drawNetwork(draw: Draw): Network {
  const isRough = draw.chance(0.4);
  const rare = (most: number) => (isRough && draw.chance(0.6) ? draw.scale(0.0005, most) : 0);
  return {
    hopMs: draw.pick([0.3, 0.3, 1, 5]),
    loss: rare(0.05),
    duplicate: rare(0.1),
    delay: rare(0.1),
    delayMs: draw.pick([2, 20, 200, 2_000]),
  };
}

// ---- clients ----

interface Habits {
  readonly busyMs: number;
  readonly perSecond: number;
  /** By key: what is done to it, each as often as it is named. */
  readonly verbs: readonly (readonly Verb[])[];
  readonly hotShare: number;
  readonly strict: number;
  readonly sized: number;
  readonly retries: number;
  readonly conditions: number;
  readonly timeouts: readonly number[];
  readonly large: number;
}

/** What is done to one key: sets to which is only added, blind writes only, and everything at once. */
const MIXES: readonly (readonly Verb[])[] = [
  ['get', 'add', 'add'],
  ['get', 'put', 'put'],
  ['get', 'put', 'put', 'delete'],
  ['get', 'blindPut'],
  ['get', 'put', 'put', 'blindPut', 'delete'],
  ['get', 'get', 'put', 'put', 'blindPut', 'delete', 'blindDelete'],
];

function drawHabits(draw: Draw, shape: Shape): Habits {
  // Most runs are short and full. Some are minutes long, so that something can be away for longer than damaged rows take to
  // heal; one in two hundred is hours long, so that something can be hours old.
  const isLong = draw.chance(0.005);
  const isSlow = draw.chance(0.06);
  // A coordinator that takes one request at a time, and that one for a minute, answers nobody else.
  return {
    ...(isLong
      ? { busyMs: draw.scale(3_600_000, 4 * 3_600_000), perSecond: draw.scale(0.05, 0.3) }
      : isSlow
        ? { busyMs: draw.scale(240_000, 900_000), perSecond: draw.scale(0.3, 2) }
        : { busyMs: draw.scale(8_000, 170_000), perSecond: draw.scale(0.7, 14) }),
    verbs: Array.from({ length: shape.keys }, () => draw.pick(MIXES)),
    hotShare: draw.chance(0.5) ? 0 : draw.share(),
    strict: draw.pick([0, 0.1, 0.5, 1]),
    sized: draw.pick([0, 0.3, 0.8]),
    retries: draw.pick([0, 0.3, 0.8]),
    conditions: draw.pick([0, 0, 0.1, 0.4]),
    timeouts: draw.pick([
      [1_000],
      [300, 1_000, 4_000],
      [4_000],
      [50, shape.requestsMax < 10 ? 4_000 : 60_000],
    ]),
    // Now and then so much that a state comes in several parts (rule 3).
    large: draw.chance(0.1) ? draw.pick([0.03, 0.03, 0.25]) : 0,
  };
}

/** Fewer show nothing. */
const OPERATIONS_MIN = 30;
/** Pods find each other again within a second or two. */
const ENCORE_MS = 2_500;

function drawClients(draw: Draw, shape: Shape, habits: Habits): ClientStep[] {
  const steps: ClientStep[] = [];
  const perMs = Math.max(habits.perSecond / 1000, (2 * OPERATIONS_MIN) / habits.busyMs);
  let id = 0;
  for (let atMs = 0; ; ) {
    atMs += draw.waitMs(perMs);
    if (atMs >= habits.busyMs && steps.length >= OPERATIONS_MIN) return steps;
    // Whoever is that short of luck starts over.
    if (atMs >= habits.busyMs) atMs = 0;
    // Sometimes many come at once, as the operations of a batch do, and one coordinator has too much to do.
    const burst = draw.chance(0.005) ? draw.between(5, 40) : 1;
    const first = drawClient(draw, shape, habits, atMs, id++);
    steps.push(first);
    for (let i = 1; i < burst; i++) {
      steps.push({
        ...drawClient(draw, shape, habits, atMs, id++),
        via: first.via,
        client: (first.client + i) % shape.clients,
      });
    }
  }
}

/** Clients go on for a moment when all faults are over: one that lasts as long as a run would show nothing else. */
function drawEncore(draw: Draw, shape: Shape, habits: Habits, before: number): ClientStep[] {
  return Array.from({ length: Math.max(OPERATIONS_MIN / 3, Math.ceil(before / 10)) }, (_, i) =>
    drawClient(draw, shape, habits, habits.busyMs + ENCORE_MS * (1 + draw.share()), before + i),
  );
}

function drawClient(draw: Draw, shape: Shape, habits: Habits, atMs: number, id: number): ClientStep {
  const key = draw.chance(habits.hotShare) ? 0 : draw.between(0, shape.keys - 1);
  const verb: Verb = draw.pick(habits.verbs[key] ?? (['get'] as const));
  const isKept = verb !== 'add' && draw.chance(habits.conditions);
  return {
    kind: 'client',
    atMs,
    id,
    client: draw.between(0, shape.clients - 1),
    key,
    via: draw.between(0, shape.coordinators - 1),
    verb,
    quorum: drawQuorum(draw, shape, habits),
    session: draw.chance(0.5),
    ...drawRepeats(draw, habits),
    condition: isKept ? draw.pick(['absent', 'exists'] as const) : undefined,
    returnValue: draw.chance(0.1),
    bytes: draw.chance(habits.large) ? draw.between(50_000, 400_000) : draw.between(0, 60),
    tampered: draw.chance(0.01),
  };
}

function drawRepeats(draw: Draw, { retries }: Habits): Pick<ClientStep, 'retries' | 'repeatMs'> {
  if (!draw.chance(retries)) return { retries: 0, repeatMs: undefined };
  return { retries: draw.between(1, 3), repeatMs: draw.chance(0.3) ? draw.scale(1, 20_000) : undefined };
}

function drawQuorum(
  draw: Draw,
  { replicas }: Shape,
  { strict, sized, timeouts }: Habits,
): ClientStep['quorum'] {
  const size = () => draw.between(1, replicas);
  const isSized = draw.chance(sized);
  return {
    sloppy: !draw.chance(strict),
    timeoutMs: draw.pick(timeouts),
    ...(isSized && draw.chance(0.5) && { r: size() }),
    ...(isSized && draw.chance(0.5) && { w: size() }),
    ...(isSized && draw.chance(0.2) && { pr: size() }),
    ...(isSized && draw.chance(0.2) && { pw: size() }),
  };
}

// ---- faults ----

/** How often each comes at the most, a minute; how long it lasts at the most, milliseconds; how likely a seed has it. */
const FAULTS: Record<FaultName, { perMinute: number; forMs: number; has: number }> = {
  crash: { perMinute: 12, forMs: 30_000, has: 0.5 },
  crashInTurn: { perMinute: 12, forMs: 10_000, has: 0.5 },
  stop: { perMinute: 6, forMs: 30_000, has: 0.3 },
  freeze: { perMinute: 12, forMs: 40_000, has: 0.4 },
  slow: { perMinute: 6, forMs: 30_000, has: 0.35 },
  partition: { perMinute: 15, forMs: 60_000, has: 0.6 },
  clog: { perMinute: 12, forMs: 40_000, has: 0.35 },
  unplug: { perMinute: 6, forMs: 20_000, has: 0.3 },
  busFreeze: { perMinute: 4, forMs: 8_000, has: 0.2 },
  busDeath: { perMinute: 2, forMs: 5_000, has: 0.2 },
  storm: { perMinute: 4, forMs: 30_000, has: 0.4 },
  replay: { perMinute: 6, forMs: 0, has: 0.5 },
  diskFull: { perMinute: 4, forMs: 40_000, has: 0.2 },
  writeError: { perMinute: 6, forMs: 10_000, has: 0.3 },
  wipe: { perMinute: 2, forMs: 20_000, has: 0.35 },
  restore: { perMinute: 2, forMs: 20_000, has: 0.3 },
  rot: { perMinute: 8, forMs: 0, has: 0.3 },
  flipRow: { perMinute: 3, forMs: 10_000, has: 0.2 },
  flipLog: { perMinute: 3, forMs: 10_000, has: 0.2 },
  clockStep: { perMinute: 6, forMs: 0, has: 0.3 },
  change: { perMinute: 12, forMs: 0, has: 0.6 },
};

const LONG_MS = 200_000;

/** In some seeds nothing happens but that few pods are dead for long: whoever is left has to do what they are enough for. */
const OUTAGES: readonly FaultName[] = ['crash', 'stop'];

function drawFaults(draw: Draw, shape: Shape, busyMs: number): FaultStep[] {
  if (draw.chance(0.08)) return drawOutages(draw, shape, busyMs);
  const names = Object.keys(FAULTS) as FaultName[];
  // Some seeds have nearly everything, some a kind or two: then it is calm long enough to see what must work.
  const density = draw.pick([0.1, 0.4, 1, 1.3]);
  // Some outages last for minutes, where a run does.
  const isLong = busyMs > LONG_MS;
  const patience = draw.pick(isLong ? [1, 5, 20] : [1, 1, 1, 5]);
  const chosen = names.filter((name) => draw.chance(FAULTS[name].has * density));
  // Something goes wrong in every seed.
  const sure = ['crash', 'freeze', 'partition', 'stop'] as const;
  const kinds = chosen.some((name) => sure.some((one) => one === name))
    ? chosen
    : [...chosen, draw.pick(sure)];
  // A run of hours has as many faults as one of minutes, and fewer when each is long: something must work in between.
  const minutes = Math.min(busyMs / 60_000, 10) / (isLong ? patience : 1);
  const steps = kinds.flatMap((name) => {
    const { perMinute, forMs } = FAULTS[name];
    const times = Math.max(1, Math.round(draw.scale(0.1, 1) * perMinute * minutes * draw.share() * 2));
    const lasts = draw.scale(0.05, 1);
    return Array.from({ length: times }, () => {
      const atMs = draw.share() * busyMs;
      return {
        kind: 'fault' as const,
        atMs,
        // One that lasts for the whole run shows nothing else.
        forMs: forMs === 0 ? 0 : Math.min(0.4 * busyMs, draw.scale(20, 20 + forMs * lasts * patience)),
        ...drawFault(draw, shape, name, busyMs),
      };
    });
  });
  return steps;
}

function drawOutages(draw: Draw, shape: Shape, busyMs: number): FaultStep[] {
  const times = draw.between(1, 3);
  return Array.from({ length: times }, (_, i) => ({
    kind: 'fault' as const,
    atMs: (busyMs * (i + 0.1 * draw.share())) / times,
    forMs: (busyMs * draw.scale(0.3, 0.9)) / times,
    ...drawFault(draw, shape, draw.pick(OUTAGES), busyMs),
  }));
}

/** What kills a turn in the middle: whatever a storage pod commits for, and what a coordinator waits for. */
const STORAGE_TURNS: readonly MessageKind[] = [
  'lead',
  'lead',
  'merge',
  'merge',
  'read',
  'hintPage',
  'hintAck',
  'hintPull',
  'swim',
  'rowsTold',
  'refillTold',
  'replace',
  'epochPrepare',
  'epochPromise',
  'epochAccept',
  'epochAccepted',
  'epochChosen',
  'topologyTold',
];
const COORDINATOR_TURNS: readonly MessageKind[] = ['led', 'led', 'merged', 'found'];

function drawFault(draw: Draw, shape: Shape, fault: FaultName, busyMs: number): Fault {
  const storage = Array.from({ length: shape.storage }, (_, i) => `n${i + 1}`);
  const coordinators = ['p', 'q', 'r'].slice(0, shape.coordinators);
  const everyone = [...storage, ...coordinators];
  const anyone = () => draw.pick([...storage, ...everyone]);
  const node = () => draw.pick(storage);
  switch (fault) {
    case 'crash':
    case 'stop':
    case 'freeze':
    case 'unplug':
      return { fault, pod: anyone() };
    case 'crashInTurn':
      return draw.chance(0.8)
        ? {
            fault,
            pod: node(),
            on: draw.pick(STORAGE_TURNS),
            point: draw.pick(['beforeCommit', 'afterCommit', 'inCommit']),
          }
        : { fault, pod: draw.pick(coordinators), on: draw.pick(COORDINATOR_TURNS), point: 'beforeCommit' };
    case 'slow':
      return { fault, pod: anyone(), turnMs: draw.scale(1, 1_000) };
    case 'partition':
      return drawPartition(draw, everyone);
    case 'clog':
      return drawClog(draw, everyone);
    case 'busFreeze':
    case 'busDeath':
      return { fault };
    case 'storm':
      return {
        fault,
        loss: draw.scale(0.01, 0.4),
        duplicate: draw.scale(0.01, 0.4),
        delay: draw.scale(0.01, 0.5),
      };
    case 'replay':
      return { fault, frames: draw.between(1, 100) };
    case 'wipe':
      return { fault, pod: node(), refillMs: draw.chance(0.5) ? 0 : draw.scale(100, 30_000) };
    case 'diskFull':
    case 'flipRow':
    case 'flipLog':
      return { fault, pod: node() };
    case 'writeError':
      return { fault, pod: node(), kept: draw.chance(0.5) };
    case 'restore':
      return { fault, pod: node(), ageMs: draw.scale(100, busyMs) };
    case 'rot':
      return {
        fault,
        pod: node(),
        key: draw.between(0, shape.keys - 1),
        of: draw.chance(0.2) ? 'hints' : 'rows',
      };
    case 'change':
      return drawChange(draw, shape, storage);
    case 'clockStep':
      return { fault, pod: anyone(), ms: Math.round((draw.share() - 0.5) * 2 * draw.scale(1, 90 * DAY_MS)) };
    default:
      return unreachable(fault);
  }
}

function drawChange(draw: Draw, { spares }: Shape, storage: readonly string[]): Fault {
  const verb = draw.pick([
    'join',
    'join',
    'leave',
    'leave',
    'replace',
    'replace',
    'weight',
    'cancel',
  ] as const);
  const fresh = spares === 0 ? storage : storage.slice(-spares);
  const old = () => draw.pick(storage);
  const names = {
    join: [draw.pick(fresh)],
    leave: draw.chance(0.8) ? [old()] : draw.some(storage),
    replace: [old(), draw.chance(0.7) ? draw.pick(fresh) : old()],
    weight: [old()],
    cancel: [],
  }[verb];
  return { fault: 'change', verb, names, weight: draw.between(1, 4), pod: draw.pick(storage) };
}

function drawClog(draw: Draw, everyone: readonly string[]): Fault {
  const from = draw.pick(everyone);
  return { fault: 'clog', from, to: draw.pick(everyone.filter((pod) => pod !== from)) };
}

/** One alone, two halves, or two sides between which others still reach both: all coordinators and one owner, say. */
function drawPartition(draw: Draw, everyone: readonly string[]): Fault {
  const oneWay = draw.chance(0.3);
  if (draw.chance(0.4)) {
    const coordinators = everyone.filter((pod) => !pod.startsWith('n'));
    const nodes = everyone.filter((pod) => pod.startsWith('n'));
    const [left, right] = [draw.chance(0.6) ? coordinators : draw.some(coordinators), [draw.pick(nodes)]];
    return draw.chance(0.7)
      ? { fault: 'partition', left, right, oneWay }
      : { fault: 'partition', left: right, right: left, oneWay };
  }
  const left = draw.chance(0.4) ? [draw.pick(everyone)] : draw.some(everyone);
  const others = everyone.filter((pod) => !left.includes(pod));
  const isPartial = draw.chance(0.4) && others.length > 1;
  const right = isPartial ? draw.some(others) : others;
  return { fault: 'partition', left, right, oneWay };
}
