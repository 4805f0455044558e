import { encodeTopology, NO_TOPOLOGY } from '@circlet/shared/ring/topology.ts';
import type { Message } from '@circlet/shared/protocol/message.ts';
import { describe, expect, it } from 'vitest';
import { MemoryStore } from './memory-store.ts';
import { Net, type Pod, readyNet, ring, storeWith } from './pods.case.ts';
import { diskOf, topologyOf } from './ring.case.ts';

const TOPOLOGY = topologyOf(['a', 'b', 'c']);
const PING: Message = {
  kind: 'swim',
  step: 'ping',
  seq: 1,
  incarnation: 0,
  target: [],
  reached: false,
  updates: [],
};
const ECHO: Message = { kind: 'echo', id: 1, sentMs: 0 };

const start = (net: Net, name: string) => net.start(name, { store: storeWith(name, TOPOLOGY) });
const isReady = (of: Pod) => of.node.readiness.ready;

/** A disk without room for another byte, also in place of the same one. */
class FullStore extends MemoryStore {
  isFull = false;

  override writeMeta(name: string, value: Uint8Array): void {
    if (this.isFull) throw new Error('full');
    super.writeMeta(name, value);
  }
}

describe('a pod that starts', () => {
  it('is not ready before its own echo came back through the bus', () => {
    const net = new Net();
    let answersArrive = false;
    net.loses = (from, to, message) => !answersArrive && message.kind === 'echoed' && from === to;
    const a = start(net, 'a');
    start(net, 'b');
    net.run(10_000);
    expect(a.node.readiness).toMatchObject({
      ready: false,
      checks: { topology: true, member: true, bus: true, echo: false },
    });
    answersArrive = true;
    net.run(1500);
    expect(isReady(a)).toBe(true);
    expect(net.events('a').filter((event) => event === 'ready')).toHaveLength(1);
  });

  it('goes on asking until the echo comes, and then stops', () => {
    const net = new Net();
    net.loses = (_, __, message) => message.kind === 'echoed';
    start(net, 'a');
    net.run(2050);
    expect(net.messages('echo').length).toBeGreaterThan(15);
    net.loses = () => false;
    net.run(3000);
    net.sent.length = 0;
    net.run(5000);
    expect(net.messages('echo')).toEqual([]);
  });

  it('does not take another pod’s answer, or one to an earlier life, for its own echo', () => {
    const net = new Net();
    net.loses = (_, __, message) => message.kind === 'echo';
    const a = start(net, 'a');
    net.run(10);
    const echoed = {
      kind: 'echoed' as const,
      id: 0,
      sentMs: 0,
      monoMs: 0,
      wallMs: 0,
      ready: true,
      writable: true,
      version: '1',
      keys: 0,
      bytes: 0,
      hintsHeld: [],
      oldestHintAgeMs: 0,
      members: [],
      filling: { left: 0, of: 0, bytes: 0 },
    };
    const { epoch, topology } = a;
    net.tell(a, { name: 'b', epoch, topology }, echoed);
    net.tell(a, { name: 'a', epoch, topology }, echoed);
    net.run(3000);
    expect(a.node.readiness.checks['echo']).toBe(false);
    net.tell(a, { name: 'a', boot: a.boot, epoch, topology }, echoed);
    net.run(3000);
    expect(isReady(a)).toBe(true);
  });

  it('waits for a peer for two seconds, and is then ready as the lone survivor', () => {
    const net = new Net();
    const a = start(net, 'a');
    net.run(1900);
    expect(isReady(a)).toBe(false);
    net.run(300);
    expect(isReady(a)).toBe(true);
  });

  it('writes nothing when it finds a topology, so that one whose disk is full is read again', () => {
    const net = new Net();
    const store = new FullStore(diskOf('a'));
    storeWith('a', TOPOLOGY, store);
    store.isFull = true;
    const a = net.start('a', { store });
    net.run(3_000);
    expect(isReady(a)).toBe(true);
    store.isFull = false;
    // A later one it keeps, as ever.
    const later = ring({ ...TOPOLOGY, epoch: TOPOLOGY.epoch + 1 });
    net.tell(a, { name: 'b', toBoot: a.boot }, { kind: 'topologyTold', document: later.bytes });
    expect(store.readMeta('topology')).toEqual(later.bytes);
  });

  it('need not wait when it is the only member', () => {
    const net = new Net();
    const a = net.start('a', { store: storeWith('a', topologyOf(['a'])) });
    net.run(10);
    expect(isReady(a)).toBe(true);
  });

  it('is not ready while the bus is down, and proves its reach anew when it is up again', () => {
    const net = readyNet(TOPOLOGY);
    const a = net.pod('a');
    net.handle(a, { kind: 'bus', up: false });
    expect(isReady(a)).toBe(false);
    net.loses = (_, __, message) => message.kind === 'echo';
    net.handle(a, { kind: 'bus', up: true });
    net.run(5000);
    expect(isReady(a)).toBe(false);
    net.loses = () => false;
    net.run(1500);
    expect(isReady(a)).toBe(true);
    expect(net.events('a')).toEqual(['not_ready', 'ready']);
  });
});

describe('an echo', () => {
  it('is answered at any time, with both clocks and what an operator wants to know', () => {
    const net = new Net();
    const a = net.start('a');
    expect(net.ask(a, { kind: 'echo', id: 9, sentMs: 123 }, { toBoot: undefined })).toMatchObject([
      {
        kind: 'echoed',
        id: 9,
        sentMs: 123,
        monoMs: 0,
        ready: false,
        writable: true,
        version: '1.2.3',
        keys: 0,
        hintsHeld: [],
        members: [],
        filling: { left: 0, of: 0, bytes: 0 },
      },
    ]);
    const other = readyNet(TOPOLOGY);
    const [answer] = other.ask(other.pod('b'), ECHO);
    expect(answer).toMatchObject({ kind: 'echoed', ready: true, monoMs: 3000, wallMs: 1_700_000_003_000 });
    expect(answer).toHaveProperty('members.length', 3);
  });

  it('says when the disk takes no writes', () => {
    const net = readyNet(TOPOLOGY);
    Object.assign(net.pod('a').store, { readOnly: true });
    expect(net.ask(net.pod('a'), ECHO)).toMatchObject([{ ready: true, writable: false }]);
  });
});

describe('epochs', () => {
  const LATER = topologyOf(['a', 'b', 'c'], 5);
  const later = { epoch: 5, topology: ring(LATER).digest };

  it('of a sender behind: it is told the document, and what it said has no effect', () => {
    const net = readyNet(LATER);
    const answers = net.tell(net.pod('a'), { name: 'b', epoch: 4, topology: 'x'.repeat(16) }, PING);
    expect(answers).toEqual([{ kind: 'topologyTold', document: encodeTopology(LATER) }]);
    expect(net.events('a')).toEqual([]);
  });

  it('of a sender ahead: it is asked for the document, which is adopted, kept and used in frames', () => {
    const net = readyNet(TOPOLOGY);
    const a = net.pod('a');
    expect(net.tell(a, { name: 'b', ...later }, PING)).toEqual([{ kind: 'topologyAsk' }]);
    expect(a.epoch).toBe(1);
    net.tell(
      a,
      { name: 'b', ...later, toBoot: a.boot },
      { kind: 'topologyTold', document: encodeTopology(LATER) },
    );
    expect([a.epoch, a.topology]).toEqual([5, later.topology]);
    expect(a.store.readMeta('topology')).toEqual(encodeTopology(LATER));
    expect(net.tell(a, { name: 'b', ...later }, PING)).toMatchObject([{ kind: 'swim', step: 'ack' }]);
  });

  it('spread to pods that are behind, and never go back', () => {
    const net = readyNet(TOPOLOGY);
    net.tell(
      net.pod('a'),
      { name: 'z', ...later, toBoot: net.pod('a').boot },
      { kind: 'topologyTold', document: encodeTopology(LATER) },
    );
    net.run(5000);
    for (const each of net.pods.values()) expect([each.epoch, isReady(each)]).toEqual([5, true]);
    net.tell(
      net.pod('a'),
      { name: 'z', ...later, toBoot: net.pod('a').boot },
      { kind: 'topologyTold', document: encodeTopology(TOPOLOGY) },
    );
    expect(net.pod('a').epoch).toBe(5);
  });

  // Rule 11: one epoch, two documents, and disks that both of them name. Whoever finds out stops, whatever the cause.
  it('that are equal where the documents differ are a conflict: not ready, one alarm, for good', () => {
    const net = readyNet(TOPOLOGY);
    const a = net.pod('a');
    const document = encodeTopology(topologyOf(['a', 'b', 'd']));
    const other = { name: 'b', epoch: 1, topology: ring(topologyOf(['a', 'b', 'd'])).digest };
    for (let i = 0; i < 3; i++) {
      expect(net.tell(a, other, PING)).toEqual([{ kind: 'topologyAsk' }]);
      net.tell(a, { ...other, toBoot: a.boot }, { kind: 'topologyTold', document });
    }
    expect(a.node.readiness).toMatchObject({ ready: false, checks: { consistent: false } });
    expect(net.events('a')).toEqual(['topology_conflict', 'not_ready']);
    net.handle(a, { kind: 'bus', up: false });
    net.handle(a, { kind: 'bus', up: true });
    net.run(5000);
    expect(isReady(a)).toBe(false);
  });

  it('that are equal, under a document that was told to an earlier life or by a disk that is none of ours, stop nobody', () => {
    const net = readyNet(TOPOLOGY);
    const a = net.pod('a');
    const gone = topologyOf(['a', 'b', 'd']);
    const members = gone.members.map((member) => ({ ...member, disk: diskOf(`${member.name} of old`) }));
    for (const [toBoot, topology] of [
      [undefined, gone],
      ['earlierlife', gone],
      [a.boot, { ...gone, members }],
      [a.boot, { ...gone, members: members.filter(({ name }) => name !== 'b'), owners: [[0, 1]] }],
    ] as const) {
      const from = { name: 'b', epoch: 1, topology: ring(topology).digest };
      expect(net.tell(a, from, PING)).toEqual([{ kind: 'topologyAsk' }]);
      net.tell(a, { ...from, toBoot }, { kind: 'topologyTold', document: encodeTopology(topology) });
    }
    // Nor does its own, told by somebody whose frame was begun before that one learnt it.
    const told = { kind: 'topologyTold' as const, document: encodeTopology(TOPOLOGY) };
    net.tell(a, { name: 'b', epoch: 1, topology: 'x'.repeat(16), toBoot: a.boot }, told);
    expect(isReady(a)).toBe(true);
    expect(net.events('a')).not.toContain('topology_conflict');
  });

  it('of a pod without a topology are 0, and a coordinator without one is told it', () => {
    const net = readyNet(TOPOLOGY);
    const answers = net.ask(
      net.pod('a'),
      { kind: 'topologyAsk' },
      { epoch: 0, topology: NO_TOPOLOGY, toBoot: undefined },
    );
    expect(answers).toEqual([{ kind: 'topologyTold', document: encodeTopology(TOPOLOGY) }]);
    expect(new Net().start('a')).toMatchObject({ epoch: 0, topology: NO_TOPOLOGY });
  });
});

describe('two processes under one name', () => {
  it('are noticed by the first when the other answers its echo', () => {
    const net = readyNet(TOPOLOGY);
    const a = net.pod('a');
    const { epoch, topology, boot } = a;
    const echoed = net.ask(a, ECHO)[0];
    expect(echoed?.kind).toBe('echoed');
    if (echoed !== undefined) net.tell(a, { name: 'a', toBoot: boot, epoch, topology }, echoed);
    expect(net.events('a')).toEqual(['identity_clone']);
  });

  it('are not suspected for what the earlier life of this pod still had under way', () => {
    const net = readyNet(TOPOLOGY);
    net.ask(net.pod('a'), ECHO);
    net.handle(net.pod('a'), { kind: 'bus', up: true });
    start(net, 'a');
    net.run(3000);
    expect(net.notices.filter(({ level }) => level === 'alarm')).toEqual([]);
    expect(isReady(net.pod('a'))).toBe(true);
  });

  it('do not gossip with themselves', () => {
    const net = readyNet(TOPOLOGY);
    const { epoch, topology } = net.pod('a');
    expect(net.tell(net.pod('a'), { name: 'a', epoch, topology }, PING)).toEqual([]);
  });
});

describe('members', () => {
  it('are found to be gone, and back', () => {
    const net = readyNet(TOPOLOGY);
    net.stop('c');
    net.run(30_000);
    const seen = () =>
      net.ask(net.pod('a'), ECHO).flatMap((answer) => (answer.kind === 'echoed' ? answer.members : []));
    expect(seen().map(({ name, status }) => `${name} ${status}`)).toEqual(['a alive', 'b alive', 'c down']);
    start(net, 'c');
    net.run(30_000);
    expect(seen().map(({ status }) => status)).toEqual(['alive', 'alive', 'alive']);
    expect(net.events('a').filter((event) => event === 'member_changed').length).toBeGreaterThan(1);
  });
});
