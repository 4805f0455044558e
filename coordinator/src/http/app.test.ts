import { describe, expect, it } from 'vitest';
import { problemOfResponse, testApp } from './app.case.ts';
import { methodsOf, ROUTES } from './routes.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

describe('a path that is not there', () => {
  it.each([
    '/',
    '/v1',
    '/v2/kv/b/k',
    '/v1/admin',
    '/admin',
    '/v1/cluster/',
    '/v1/kvb/k',
    '/healthz',
    '/metrics',
    '/v1/%6bv/b/k',
  ])('%s is a 404 problem', async (path) => {
    const answer = await testApp().app.request(path);
    expect(answer.status).toBe(404);
    expect(await problemOfResponse(answer)).toMatchObject({ code: 'not_found' });
  });

  it('does not repeat the path', async () => {
    const text = await (await testApp().app.request('/<script>alert(1)</script>')).text();
    expect(text).not.toContain('script');
  });
});

describe('a method that is not there', () => {
  it.each([
    ['POST', '/v1/kv/b/k', 'GET, HEAD, PUT, DELETE'],
    ['PATCH', '/v1/kv/b/k', 'GET, HEAD, PUT, DELETE'],
    ['OPTIONS', '/v1/kv/b/k', 'GET, HEAD, PUT, DELETE'],
    ['GET', '/v1/batch', 'POST'],
    ['PUT', '/v1/batch', 'POST'],
    ['DELETE', '/v1/cluster', 'GET, HEAD'],
    ['POST', '/v1/cluster/locate/b/k', 'GET, HEAD'],
    ['POST', '/healthz/live', 'GET, HEAD'],
  ])('%s %s is a 405 that says what is', async (method, path, allow) => {
    const answer = await testApp().app.request(path, { method });
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe(allow);
    expect(await problemOfResponse(answer)).toMatchObject({ code: 'method_not_allowed' });
  });

  it('is HEAD where there is no GET', async () => {
    const answer = await testApp().app.request('/v1/batch', { method: 'HEAD' });
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe('POST');
    expect(await answer.text()).toBe('');
  });

  it('is told apart from a path that is not there', () => {
    expect(methodsOf('/v1/kv', ROUTES)).not.toEqual([]);
    expect(methodsOf('/v1/kvx', ROUTES)).toEqual([]);
    expect(methodsOf('/v1/cluster/nodesx', ROUTES)).toEqual([]);
  });
});

describe('a problem', () => {
  it('has the trace id of the request, or a fresh one', async () => {
    const { app } = testApp();
    const traced = await app.request('/v1/kv/b/k', {
      headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` },
    });
    expect(await problemOfResponse(traced)).toMatchObject({ traceId: TRACE });
    const fresh = await Promise.all(
      ['', 'garbage', `00-${TRACE}-00f067aa0ba902b7`].map(async (traceparent) => {
        const answer = await app.request('/v1/kv/b/k', {
          headers: { traceparent, baggage: `a=${'x'.repeat(10_000)}` },
        });
        return (await problemOfResponse(answer)).traceId;
      }),
    );
    expect(new Set(fresh).size).toBe(3);
    for (const id of fresh) expect(id).toMatch(/^[0-9a-f]{32}$/);
  });

  it('is one line in the log, under the same trace id, that names nothing of what was sent', async () => {
    const test = testApp();
    const answer = await test.app.request('/v1/kv/secret-bucket/secret-key?r=secret-value', {
      headers: { 'circlet-context': 'secret-token' },
    });
    const { traceId } = await problemOfResponse(answer);
    expect(test.log).toEqual([
      {
        level: 'info',
        event: 'http_problem',
        fields: {
          code: 'invalid_parameter',
          status: 400,
          route: 'getObject',
          method: 'GET',
          traceId,
          reason: 'r',
        },
      },
    ]);
  });

  it.each([
    [404, 'debug', (port: ReturnType<typeof testApp>['port']) => void port],
    [
      503,
      'warn',
      (port: ReturnType<typeof testApp>['port']) => void port.failures.push({ code: 'stale_replicas' }),
    ],
    [
      500,
      'alarm',
      (port: ReturnType<typeof testApp>['port']) =>
        void port.failures.push({ code: 'internal', outcome: undefined }),
    ],
  ])('with status %i is logged as %s', async (status, level, prepare) => {
    const test = testApp();
    prepare(test.port);
    expect((await test.app.request('/v1/kv/b/k')).status).toBe(status);
    expect(test.log.map((notice) => notice.level)).toEqual([level]);
  });

  it('of our own making is a 500 without a word of the error, which only the log gets', async () => {
    const test = testApp();
    Object.defineProperty(test.port.cluster, 'replicas', {
      get: () => {
        throw new Error('secret internals');
      },
    });
    const answer = await test.app.request('/v1/kv/b/k', { method: 'PUT', body: 'x' });
    expect(answer.status).toBe(500);
    const text = await answer.text();
    expect(JSON.parse(text)).toMatchObject({ code: 'internal', outcome: 'unknown' });
    expect(text).not.toMatch(/secret|\.ts|Error:/);
    expect(JSON.stringify(test.log)).toContain('secret internals');
  });
});

it('while the pod drains, answers ask for the connection to be closed', async () => {
  const test = testApp();
  expect((await test.app.request('/healthz/live')).headers.get('connection')).toBeNull();
  test.pod.draining = true;
  expect((await test.app.request('/healthz/live')).headers.get('connection')).toBe('close');
});
