import { connect } from 'node:net';
import { latin1 } from '@circlet/shared/codec/bytes.ts';
import { begun, switched } from '@circlet/shared/ring/change.ts';
import type { Topology } from '@circlet/shared/ring/topology.ts';
import { describe, expect, it } from 'vitest';
import { AdminTest, told } from './admin-app.case.ts';
import { problemOfResponse, testApp } from './app.case.ts';
import { moveSchema, planSchema, progressSchema } from './change-schema.ts';
import { pulse, TOPOLOGY } from './memory-port.case.ts';
import { ADMIN_ROUTES, patternOf } from './routes.ts';
import { serveHttp } from './server.ts';
import { transferFigures } from './transfer-figures.ts';

const HEX = '0123456789abcdef0123456789abcdef';
const DIGEST = latin1(Buffer.from(HEX, 'hex'));
const JOIN = { verb: 'join', names: ['node-5'] };

/** Four active members, each with 6 of 8 vnodes in three copies. */
const OWNED: Topology = {
  ...TOPOLOGY,
  members: TOPOLOGY.members.map((of) => ({ ...of, state: 'active' as const })),
};
const candidate = { name: 'node-5', disk: 'f'.repeat(32), zone: 'zone-5', weight: 1 };
const JOINING = begun(OWNED, { kind: 'join', members: [candidate] });

describe('POST /v1/changes', () => {
  it('shows what would move, with a digest to commit it by', async () => {
    const test = new AdminTest();
    test.cluster.status.set('node-1', { reachable: true, pulse: pulse({ bytes: 6_000 }) });
    test.answers.push(told('planned', { digest: DIGEST, document: JOINING }));
    const answer = await test.send('POST', '/v1/changes', JOIN);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const plan = planSchema.strict().parse(await answer.json());
    expect(plan).toMatchObject({ status: 'planned', digest: HEX, epoch: 4 });
    expect(plan.transfers.every(({ to }) => to === 'node-5')).toBe(true);
    const vnodes = plan.transfers.reduce((sum, each) => sum + each.vnodes, 0);
    expect(vnodes).toBeGreaterThan(2);
    for (const { from, vnodes: count, bytes } of plan.transfers)
      expect(bytes).toBe(Math.round(count * (from === 'node-1' ? 1_000 : 1_000 / 6)));
    expect(test.asked).toEqual([
      { change: { verb: 'join', names: ['node-5'], weight: 0 }, commits: undefined },
    ]);
  });

  it.each([
    { verb: 'leave', names: ['node-1', 'node-2'] },
    { verb: 'replace', names: ['node-1', 'node-5'] },
    { verb: 'weight', names: ['node-1'], weight: 64 },
    { verb: 'cancel' },
    { verb: 'join', names: Array.from({ length: 32 }, (_, i) => `n${i}`) },
  ])('takes %j', async (change) => {
    const test = new AdminTest();
    test.answers.push(told('refused', { reason: 'no' }));
    expect((await test.send('POST', '/v1/changes', change)).status).toBe(409);
    expect(test.asked[0]?.change).toMatchObject(change);
  });

  it.each([
    [{}, 'verb'],
    [{ verb: 'destroy', names: ['a'] }, 'verb'],
    [{ verb: 'join' }, 'names'],
    [{ verb: 'join', names: [] }, 'names'],
    [{ verb: 'join', names: ['a', 'a'] }, 'names'],
    [{ verb: 'join', names: ['A'] }, 'names'],
    [{ verb: 'join', names: [''] }, 'names'],
    [{ verb: 'join', names: ['a.b'] }, 'names'],
    [{ verb: 'join', names: ['x'.repeat(64)] }, 'names'],
    [{ verb: 'join', names: [7] }, 'names'],
    [{ verb: 'join', names: Array.from({ length: 33 }, (_, i) => `n${i}`) }, 'names'],
    [{ verb: 'replace', names: ['a'] }, 'names'],
    [{ verb: 'replace', names: ['a', 'b', 'c'] }, 'names'],
    [{ verb: 'weight', names: ['a'] }, 'weight'],
    [{ verb: 'weight', names: ['a'], weight: 0 }, 'weight'],
    [{ verb: 'weight', names: ['a'], weight: 65 }, 'weight'],
    [{ verb: 'weight', names: ['a'], weight: 1.5 }, 'weight'],
    [{ verb: 'weight', names: ['a', 'b'], weight: 1 }, 'names'],
    [{ verb: 'join', names: ['a'], weight: 1 }, 'body'],
    [{ ...JOIN, digest: HEX }, 'body'],
    [{ verb: 'cancel', names: ['a'] }, 'body'],
    ['{"verb": "join", "names": ["a"], "__proto__": {}}', 'body'],
    [[], 'body'],
    ['not JSON', 'body'],
    ['null', 'body'],
    ['['.repeat(30_000), 'body'],
  ])('%j is a 400 that asks nobody', async (body, reason) => {
    const test = new AdminTest();
    for (const path of ['/v1/changes', `/v1/changes/${HEX}`]) {
      const answer = await test.send('POST', path, body);
      expect(answer.status).toBe(400);
      expect(await problemOfResponse(answer)).toMatchObject({ code: 'invalid_parameter', reason });
    }
    expect(test.asked).toEqual([]);
  });

  it('takes 64 KiB and no more, and only JSON', async () => {
    const test = new AdminTest();
    test.answers.push(told('refused'));
    const padded = (bytes: number) => JSON.stringify(JOIN).padEnd(bytes, ' ');
    expect((await test.send('POST', '/v1/changes', padded(64 * 1024))).status).toBe(409);
    const large = await test.send('POST', '/v1/changes', padded(64 * 1024 + 1));
    expect(await problemOfResponse(large)).toMatchObject({ status: 413, code: 'value_too_large' });
    const form = await test.send('POST', '/v1/changes', JOIN, { 'content-type': 'multipart/form-data' });
    expect(form.status).toBe(415);
  });
});

describe('POST /v1/changes/{digest}', () => {
  it('is 202 while it is being chosen, and 200 with the epoch when it was', async () => {
    const test = new AdminTest();
    test.answers.push(told('proposed'), told('chosen', { epoch: 4 }));
    const proposed = await test.send('POST', `/v1/changes/${HEX}`, JOIN);
    expect(proposed.status).toBe(202);
    expect(progressSchema.strict().parse(await proposed.json())).toEqual({ status: 'proposed', digest: HEX });
    const chosen = await test.send('POST', `/v1/changes/${HEX}`, JOIN);
    expect(chosen.status).toBe(200);
    expect(await chosen.json()).toEqual({ status: 'chosen', digest: HEX, epoch: 4 });
    expect(test.asked.map(({ commits }) => commits)).toEqual([DIGEST, DIGEST]);
  });

  it.each(['', 'x', HEX.toUpperCase(), `${HEX}0`, `${HEX}/`, `%30${HEX.slice(1)}`])(
    'the digest %j is a 400',
    async (digest) => {
      const answer = await new AdminTest().send('POST', `/v1/changes/${digest}`, JOIN);
      expect(await problemOfResponse(answer)).toMatchObject({ status: 400, reason: 'digest' });
    },
  );

  it('is 409 change_refused with the reason when the members refuse it', async () => {
    const test = new AdminTest();
    test.answers.push(told('refused', { reason: 'another change is under way: wait until it is done' }));
    const answer = await test.send('POST', `/v1/changes/${HEX}`, JOIN);
    expect(await problemOfResponse(answer)).toMatchObject({
      status: 409,
      code: 'change_refused',
      detail: 'The cluster refuses this change: another change is under way: wait until it is done.',
    });
  });
});

describe('nobody answers', () => {
  it.each([
    ['not_ready', 503, 'not_ready', 'none'],
    ['overloaded', 429, 'overloaded', 'none'],
    ['unreachable', 503, 'quorum_unavailable', 'none'],
    ['silent', 504, 'timeout', 'unknown'],
    ['internal', 500, 'internal', 'unknown'],
  ] as const)('%s: %i', async (why, status, code, outcome) => {
    const test = new AdminTest();
    test.answers.push({ kind: 'untold', why }, { kind: 'untold', why });
    const plan = await problemOfResponse(await test.send('POST', '/v1/changes', JOIN));
    expect(plan).toMatchObject({ status, code });
    expect(plan.outcome).toBeUndefined();
    const commit = await problemOfResponse(await test.send('POST', `/v1/changes/${HEX}`, JOIN));
    expect(commit).toMatchObject({ status, code, outcome });
  });
});

describe('DELETE /v1/changes', () => {
  it('plans the cancellation and commits it', async () => {
    const test = new AdminTest();
    test.answers.push(told('planned', { digest: DIGEST, document: OWNED }), told('proposed'));
    const answer = await test.send('DELETE', '/v1/changes');
    expect(answer.status).toBe(202);
    expect(await answer.json()).toEqual({ status: 'proposed', digest: HEX });
    const change = { verb: 'cancel', names: [], weight: 0 };
    expect(test.asked).toEqual([
      { change, commits: undefined },
      { change, commits: DIGEST },
    ]);
  });

  it('is refused when there is nothing to cancel', async () => {
    const test = new AdminTest();
    test.answers.push(told('refused', { reason: 'no change is under way' }));
    expect((await test.send('DELETE', '/v1/changes')).status).toBe(409);
  });
});

describe('GET /v1/changes', () => {
  const show = async (test: AdminTest) =>
    moveSchema.strict().parse(await (await test.send('GET', '/v1/changes')).json());

  it('is empty while nothing moves', async () => {
    const test = new AdminTest();
    test.act(OWNED);
    expect(await show(test)).toEqual({ epoch: 3, phase: null, transfers: [], nodes: [] });
  });

  it('shows the move under way, and how far each receiver is', async () => {
    const test = new AdminTest();
    test.act(JOINING);
    expect(await show(test)).toMatchObject({
      epoch: 4,
      phase: 'filling',
      nodes: [{ name: 'node-5', status: 'down', left: null, of: null, bytes: null }],
    });
    test.cluster.status.set('node-5', {
      reachable: true,
      pulse: pulse({ filling: { left: 3, of: 9, bytes: 77 } }),
    });
    const filling = await show(test);
    expect(filling.nodes).toEqual([{ name: 'node-5', status: 'alive', left: 3, of: 9, bytes: 77 }]);
    test.act(switched(JOINING));
    expect(await show(test)).toEqual({ ...filling, epoch: 5, phase: 'switching' });
  });

  it('shows who takes the place of a dead member', async () => {
    const test = new AdminTest();
    test.act(begun(OWNED, { kind: 'replace', name: 'node-1', by: candidate, isDead: true }));
    expect(await show(test)).toMatchObject({
      phase: 'refilling',
      transfers: [{ from: null, to: 'node-5', vnodes: 6, bytes: 1_000 }],
      nodes: [{ name: 'node-5' }],
    });
  });

  it('is a 503 while no topology is known', async () => {
    const test = new AdminTest();
    test.cluster.ring = undefined;
    expect((await test.send('GET', '/v1/changes')).status).toBe(503);
  });
});

describe('estimates', () => {
  it('of one more copy come from any owner that has said how much it has', () => {
    const members = OWNED.members.slice(0, 2);
    const two: Topology = { ...OWNED, members, owners: OWNED.owners.map(() => [0, 1]) };
    const third = begun(two, { kind: 'join', members: [candidate] });
    expect(transferFigures(third, (name) => (name === 'node-2' ? 800 : undefined))).toEqual([
      { from: null, to: 'node-5', vnodes: 8, bytes: 800 },
    ]);
    expect(transferFigures(third, () => undefined)[0]?.bytes).toBeNull();
  });
});

describe('the two listeners', () => {
  it.each(ADMIN_ROUTES)('$method $path is a 404 on the public one', async (route) => {
    const { app } = testApp();
    const answer = await app.request(patternOf(route).replace('*', HEX), { method: route.method });
    expect(await problemOfResponse(answer)).toMatchObject({ status: 404, code: 'not_found' });
  });

  it.each(['/v1/kv/b/k', '/v1/cluster', '/openapi.json', '/healthz/live'])(
    '%s is a 404 on the admin one',
    async (path) => {
      expect((await new AdminTest().send('GET', path)).status).toBe(404);
    },
  );

  it.each([
    ['PUT', '/v1/changes', 'GET, POST, DELETE, HEAD'],
    ['GET', `/v1/changes/${HEX}`, 'POST'],
    ['DELETE', `/v1/changes/${HEX}`, 'POST'],
  ])('%s %s is a 405', async (method, path, allow) => {
    const answer = await new AdminTest().send(method, path);
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, allow]);
  });

  it('takes nothing that a web page sends', async () => {
    const test = new AdminTest();
    const origin = { origin: 'http://evil.example' };
    const answers = [
      await test.send('POST', '/v1/changes', JOIN, origin),
      await test.send('POST', `/v1/changes/${HEX}`, JOIN, origin),
      await test.send('DELETE', '/v1/changes', undefined, origin),
    ];
    for (const answer of answers)
      expect(await problemOfResponse(answer)).toMatchObject({ status: 400, reason: 'origin' });
    expect(test.asked).toEqual([]);
  });

  it('cuts a body off that comes too slowly', async () => {
    const test = new AdminTest();
    const bounds = { requestTimeoutMs: 200, headersTimeoutMs: 200, checkIntervalMs: 20 };
    const { log, randomBytes } = test.options;
    const server = await serveHttp(test.app, { host: '127.0.0.1', port: 0, log, randomBytes, bounds });
    const socket = connect(server.port, '127.0.0.1');
    let received = '';
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.write('POST /v1/changes HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{');
    await new Promise((resolve) => socket.once('close', resolve));
    expect(received).toMatch(/^HTTP\/1\.1 408 /);
    await server.close(0);
  });
});
