import type { FrameHeader } from '@circlet/shared/protocol/frame.ts';
import type { Message } from '@circlet/shared/protocol/message.ts';
import { encodeTopology, Ring, type Topology } from '@circlet/shared/ring/topology.ts';
import { beforeEach, expect, it } from 'vitest';
import { Coordinator, type CoordinatorEffect, type CoordinatorEvent } from './coordinator.ts';
import { DIGEST_KEY, TOPOLOGY } from './scripted-desk.case.ts';

/** a, b and c are active, d is on its way out. */
const LEAVING: Topology = {
  ...TOPOLOGY,
  members: TOPOLOGY.members
    .slice(0, 4)
    .map((of) => ({ ...of, state: of.name === 'd' ? ('leaving' as const) : ('active' as const) })),
};
const figures = {
  keys: 0,
  bytes: 0,
  hintsHeld: [],
  oldestHintAgeMs: 0,
  members: [],
  version: '1',
  filling: { left: 0, of: 0, bytes: 0 },
};

let coordinator: Coordinator;
let effects: CoordinatorEffect[];
let nowMs: number;

beforeEach(() => {
  nowMs = 100;
  effects = [];
  coordinator = new Coordinator({
    cluster: 'test',
    clusterKey: DIGEST_KEY,
    requestsMax: 10,
    bytesMax: 1_000,
    siblingsMax: 10,
  });
  handle({ kind: 'start' });
  handle({ kind: 'bus', up: true });
  hear('a', { kind: 'topologyTold', document: encodeTopology(LEAVING) });
  for (const name of ['a', 'c', 'd']) pulse(name);
  effects = [];
});

function handle(event: CoordinatorEvent): void {
  effects.push(...coordinator.handle(event, { monoMs: nowMs, wallMs: 0 }));
}

function hear(name: string, message: Message): void {
  const { digest } = new Ring(LEAVING, DIGEST_KEY);
  const frame = { cluster: 'x', toBoot: undefined, number: 0, epoch: 9, topology: digest };
  const from: FrameHeader = { ...frame, role: 'storage', name, boot: `boot-${name}` };
  handle({ kind: 'message', from, message });
}

function pulse(name: string): void {
  const ready = { ready: true, writable: true, wallMs: 0 };
  hear(name, { kind: 'echoed', id: 0, sentMs: nowMs, monoMs: 5_000, ...ready, ...figures });
}

function ask(): void {
  const change = { verb: 'leave', names: ['b'], weight: 0 } as const;
  handle({ kind: 'change', request: { id: 7, change, commits: 'd'.repeat(16) } });
}

const asked = () =>
  effects.flatMap((effect) =>
    effect.kind === 'send' && effect.message.kind === 'changeAsk'
      ? [{ name: effect.to.name, id: effect.message.id }]
      : [],
  );
const answers = () => effects.flatMap((effect) => (effect.kind === 'respond' ? [effect.answer] : []));

it('asks active members that can be used, and those alone', () => {
  ask();
  expect(asked().map(({ name }) => name)).toEqual(['a']);
  const { id = -1 } = asked()[0] ?? {};
  handle({ kind: 'undelivered', to: { role: 'storage', name: 'a' }, ids: [id] });
  expect(asked().map(({ name }) => name)).toEqual(['a', 'c']);
  handle({ kind: 'undelivered', to: { role: 'storage', name: 'c' }, ids: [id] });
  expect(answers()).toEqual([{ kind: 'untold', why: 'unreachable' }]);
});

it('asks the next when its timer comes', () => {
  ask();
  nowMs += 2_000;
  for (const effect of effects.slice())
    if (effect.kind === 'schedule' && effect.timer.kind === 'change')
      handle({ kind: 'timer', timer: effect.timer });
  expect(asked().map(({ name }) => name)).toEqual(['a', 'c']);
});

it('answers what a member says, with the epoch that it is in, and says when it is no answer', () => {
  ask();
  const { id = -1 } = asked()[0] ?? {};
  const told = {
    kind: 'changeTold',
    id,
    digest: 'd'.repeat(16),
    document: new Uint8Array(0),
    reason: '',
  } as const;
  hear('a', { ...told, status: 'planned' });
  expect(answers()).toEqual([]);
  expect(effects.some((of) => of.kind === 'notify' && of.notice.event === 'unexpected_answer')).toBe(true);
  hear('a', { ...told, status: 'chosen' });
  expect(answers()).toMatchObject([{ kind: 'told', status: 'chosen', epoch: 9 }]);
});

it('reaches no member while the bus is away', () => {
  handle({ kind: 'bus', up: false });
  ask();
  expect(answers()).toEqual([{ kind: 'untold', why: 'unreachable' }]);
});
