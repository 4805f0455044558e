import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { serveHealth } from '@circlet/otel/health-server.ts';
import { Telemetry } from '@circlet/otel/telemetry.ts';
import type { AppOptions } from './app.ts';
import { Health } from './health.ts';
import { type TestApp, testApp } from './app.case.ts';
import { type RawAnswer, RawClient } from './raw-client.case.ts';
import { DEFAULT_SERVER_BOUNDS, type HttpServer, type ServerBounds, serveHttp } from './server.ts';

interface Running extends TestApp {
  readonly server: HttpServer;
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function start(
  bounds: Partial<ServerBounds> = {},
  overrides: Partial<AppOptions> = {},
): Promise<Running> {
  const test = testApp(overrides);
  const { log, randomBytes } = test.options;
  const server = await serveHttp(test.app, { host: '127.0.0.1', port: 0, log, randomBytes, bounds });
  cleanups.push(() => server.close(0));
  return { ...test, server };
}

async function client({ port }: HttpServer): Promise<RawClient> {
  const opened = await RawClient.open(port);
  cleanups.push(() => opened.end());
  return opened;
}

const HOST = 'Host: x\r\n';

/** One request on a connection of its own. */
async function exchange(running: Running, bytes: string | Uint8Array) {
  const raw = await client(running.server);
  raw.send(bytes);
  return { ...(await raw.answer()), raw };
}

/** Whether the server still serves everybody else, and as quickly as before. */
async function servesOthers(running: Running): Promise<boolean> {
  const began = performance.now();
  const { status } = await exchange(
    running,
    `PUT /v1/kv/b/other HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nok`,
  );
  // A few milliseconds in fact; the rest is for a machine that is busy with other things.
  return status === 204 && performance.now() - began < 1_000;
}

/** The problem that an answer is, as its status and code, or what is wrong with it. */
function problemIn({ status, headers, body }: RawAnswer): string {
  if (headers['content-type'] !== 'application/problem+json') return `${status} is no problem`;
  if (/node_modules|node:|\.ts\b|\.js\b|Error:|secret/i.test(body)) return 'more than the client should see';
  const problem: { code: string; status: number } = JSON.parse(body);
  return problem.status === status ? `${status} ${problem.code}` : 'two statuses';
}

describe('a value', () => {
  it('goes in and comes out over a socket, in one connection', async () => {
    const running = await start();
    const raw = await client(running.server);
    raw.send(
      `PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Content-Type: text/x\r\nCirclet-Meta-A: gr\xfcn\r\nContent-Length: 5\r\n\r\n\x00\xff\r\n!`,
    );
    expect(await raw.answer()).toMatchObject({ status: 204 });
    raw.send(`GET /v1/kv/b/k HTTP/1.1\r\n${HOST}\r\n`);
    expect(await raw.answer()).toMatchObject({
      status: 200,
      body: '\x00\xff\r\n!',
      headers: { 'content-type': 'text/x', 'circlet-meta-a': 'gr\xfcn', 'content-length': '5' },
    });
    raw.send(`HEAD /v1/kv/b/k HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
    await raw.closed();
    expect(raw.received).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(raw.received).toMatch(/\r\nContent-Length: 5\r\n/i);
    expect(raw.received.endsWith('\r\n\r\n')).toBe(true);
  });

  it('may come in chunks', async () => {
    const running = await start();
    await exchange(
      running,
      `PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`,
    );
    expect((await exchange(running, `GET /v1/kv/b/k HTTP/1.1\r\n${HOST}\r\n`)).body).toBe('abcde');
  });

  it('is served to HTTP/1.0 as well', async () => {
    const running = await start();
    expect(await servesOthers(running)).toBe(true);
    const answer = await exchange(running, 'GET /v1/kv/b/other HTTP/1.0\r\n\r\n');
    expect(answer).toMatchObject({ status: 200, body: 'ok' });
  });
});

const putTo = (target: string) => `PUT ${target} HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\nx`;

describe('a key on the wire', () => {
  it.each([
    ['/v1/kv/b/', 'empty'],
    ['/v1/kv//k', 'empty'],
    ['/v1/kv/b/.', 'dot_segment'],
    ['/v1/kv/b/..', 'dot_segment'],
    ['/v1/kv/b/%2e%2E', 'dot_segment'],
    ['/v1/kv/../admin', 'dot_segment'],
    ['/v1/kv/b/%00', 'nul'],
    ['/v1/kv/b/%ff', 'not_utf8'],
    ['/v1/kv/b/%c3%28', 'not_utf8'],
    ['/v1/kv/b/%zz', 'bad_escape'],
    ['/v1/kv/b/a#b', 'bad_escape'],
    [`/v1/kv/b/${'k'.repeat(1025)}`, 'too_long'],
    ['/v1/kv/b/a/../c', 'slash'],
  ])(
    '%s is a 400 and nothing is stored: no layer before us may make another key of it',
    async (target, reason) => {
      const running = await start();
      const answer = await exchange(running, putTo(target));
      expect(problemIn(answer)).toBe('400 invalid_key');
      expect(JSON.parse(answer.body)).toMatchObject({ reason });
      expect(running.port.keys).toBe(0);
      expect(await servesOthers(running)).toBe(true);
    },
  );

  it.each([
    'a%2Fb',
    '%F0%9F%98%80',
    '%C3%A9',
    'e%CC%81',
    '%25ff',
    'a+b',
    'a"<>|{}^`b',
    '...',
    '.a',
    'a%3Fb',
    'k'.repeat(1024),
  ])('%s is a key of its own', async (name) => {
    const running = await start();
    const others = ['%C3%A9', 'e%CC%81', '%25ff', 'a%2Fb'].filter((other) => other !== name);
    for (const other of [...others, name]) {
      expect((await exchange(running, putTo(`/v1/kv/b/${other}`))).status).toBe(204);
    }
    expect(running.port.keys).toBe(others.length + 1);
    const read = await exchange(running, `GET /v1/kv/b/${name} HTTP/1.1\r\n${HOST}\r\n`);
    expect(read).toMatchObject({ status: 200, body: 'x' });
  });

  it('with raw bytes outside ASCII is no HTTP', async () => {
    const running = await start();
    const answer = await exchange(running, putTo('/v1/kv/b/\xc3\xa9'));
    expect(problemIn(answer)).toBe('400 bad_request');
    expect(running.port.keys).toBe(0);
  });

  it('with a backslash is refused before it can be taken for a slash', async () => {
    const running = await start();
    expect((await exchange(running, putTo('/v1/kv/b/a\\..\\c'))).status).toBe(400);
    expect(running.port.keys).toBe(0);
  });
});

describe('a body that is too large', () => {
  const limits = { valueBytes: 100_000 };

  it('is a 413 from its Content-Length alone, and the connection serves the next request', async () => {
    const running = await start({}, { limits });
    const raw = await client(running.server);
    raw.send(`PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Content-Length: 100001\r\n\r\n`);
    expect(problemIn(await raw.answer())).toBe('413 value_too_large');
    expect(running.port.submitted).toHaveLength(0);
    expect(await servesOthers(running)).toBe(true);
    raw.send(new Uint8Array(100_001));
    raw.send(`PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\nx`);
    expect((await raw.answer()).status).toBe(204);
    expect(running.port.submitted).toHaveLength(2);
  });

  it('in chunks is a 413 as soon as it is, and the connection serves the next request', async () => {
    const running = await start({}, { limits });
    const raw = await client(running.server);
    raw.send(`PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`);
    for (let i = 0; i < 20; i++) raw.send(`2710\r\n${'x'.repeat(10_000)}\r\n`);
    expect(problemIn(await raw.answer())).toBe('413 value_too_large');
    raw.send(`0\r\n\r\nPUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\nx`);
    expect((await raw.answer()).status).toBe(204);
    expect(running.port.submitted).toHaveLength(1);
  });

  it('without end is not buffered: the connection is closed', async () => {
    const running = await start({}, { limits });
    const raw = await client(running.server);
    raw.send(`PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`);
    const flood = setInterval(() => raw.send(`2710\r\n${'x'.repeat(10_000)}\r\n`), 1);
    cleanups.push(() => clearInterval(flood));
    expect(problemIn(await raw.answer())).toBe('413 value_too_large');
    // The flood goes on while another is served.
    expect(await servesOthers(running)).toBe(true);
    await raw.closed();
    expect(running.port.submitted).toHaveLength(1);
  });

  it('is never sent by a client that asks first', async () => {
    const running = await start({}, { limits });
    const raw = await client(running.server);
    raw.send(`PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 100001\r\n\r\n`);
    const answer = await raw.answer();
    expect(problemIn(answer)).toBe('413 value_too_large');
    // Whether the body comes is not known, so the connection cannot go on.
    expect(answer.headers['connection']).toBe('close');
    await raw.closed();
    expect(running.port.submitted).toHaveLength(0);
  });

  it('of one that asks first and is small enough is asked for', async () => {
    const running = await start({}, { limits });
    const raw = await client(running.server);
    raw.send(`PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 1\r\n\r\n`);
    expect((await raw.answer()).status).toBe(100);
    raw.send('x');
    expect((await raw.answer()).status).toBe(204);
    raw.send(`GET /v1/kv/b/k HTTP/1.1\r\n${HOST}\r\n`);
    expect((await raw.answer()).status).toBe(200);
  });

  it('of one that expects something else is taken as if it had not', async () => {
    const running = await start();
    const put = `PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Expect: miracles\r\nContent-Length: 1\r\n\r\nx`;
    expect((await exchange(running, put)).status).toBe(204);
  });

  it('of one that asks first with a bad head is refused unsent', async () => {
    const running = await start();
    const raw = await client(running.server);
    raw.send(`PUT /v1/kv/b/k?w=9 HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 1\r\n\r\n`);
    expect(problemIn(await raw.answer())).toBe('400 invalid_parameter');
    await raw.closed();
    expect(running.port.submitted).toHaveLength(0);
  });

  it('together with many others is refused while they are under way, and taken when they are done', async () => {
    const running = await start({}, { limits: { ...limits, bodyBytesUnderWay: 150_000 } });
    const first = await client(running.server);
    first.send(`PUT /v1/kv/b/a HTTP/1.1\r\n${HOST}Content-Length: 100000\r\n\r\n`);
    first.send(new Uint8Array(90_000));
    const put = (name: string) =>
      `PUT /v1/kv/b/${name} HTTP/1.1\r\n${HOST}Content-Length: 90000\r\n\r\n${'x'.repeat(90_000)}`;
    // Not before what was sent has arrived.
    const refused = await vi.waitFor(
      async () => {
        const answer = await exchange(running, put('b'));
        expect(problemIn(answer)).toBe('429 overloaded');
        return answer;
      },
      { timeout: 5_000 },
    );
    expect(JSON.parse(refused.body)).toMatchObject({ outcome: 'none' });
    expect(refused.headers['retry-after']).toBe('1');
    first.send(new Uint8Array(10_000));
    expect((await first.answer()).status).toBe(204);
    expect((await exchange(running, put('b'))).status).toBe(204);
  });
});

/** A put with so many headers, the last ones of which matter. */
function putWith(headers: number): string {
  const others = Array.from({ length: headers - 3 }, (_, i) => `a${i}: 1\r\n`).join('');
  return `PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}${others}If-Match: "a"\r\nContent-Length: 0\r\n\r\n`;
}

describe('what is no HTTP', () => {
  it.each<[string, string]>([
    [
      'Content-Length with Transfer-Encoding',
      `PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      'Content-Length twice',
      `PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\nx`,
    ],
    ['a negative Content-Length', `PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Content-Length: -1\r\n\r\n`],
    ['a Content-Length that is no number', `PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Content-Length: 0x10\r\n\r\n`],
    ['no Host', 'PUT /v1/kv/b/k HTTP/1.1\r\nContent-Length: 0\r\n\r\n'],
    ['no Host, of a request that invites none', 'GET /v1/kv/b/k HTTP/1.1\r\n\r\n'],
    [
      'no Host, of one that asks first',
      'PUT /v1/kv/b/k HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n',
    ],
    ['a Host that is none', `GET /v1/kv/b/k HTTP/1.1\r\nHost: a b/c\r\n\r\n`],
    ['a header with a bare CR', `GET /v1/kv/b/k HTTP/1.1\r\n${HOST}X-A: a\rb\r\n\r\n`],
    ['a header with NUL', `GET /v1/kv/b/k HTTP/1.1\r\n${HOST}X-A: a\0b\r\n\r\n`],
    ['a folded header', `GET /v1/kv/b/k HTTP/1.1\r\n${HOST}X-A: a\r\n secret\r\n\r\n`],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['noise', 'secret secret secret\r\n\r\n'],
    ['bad chunks', `PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nzz\r\nsecret`],
  ])('%s is a 400, and the connection is closed', async (_, bytes) => {
    const running = await start();
    const { raw, ...answer } = await exchange(running, bytes);
    expect(problemIn(answer)).toBe('400 bad_request');
    await raw.closed();
    expect(running.port.submitted).toHaveLength(0);
    // Where a request had begun already, its handler says that it was cut off; that is a line of its own.
    expect(running.log.filter(({ event }) => event === 'http_malformed')).toHaveLength(1);
    expect(await servesOthers(running)).toBe(true);
  });

  it('is one line in the log', async () => {
    const running = await start();
    await exchange(running, 'secret\r\n\r\n');
    expect(running.log).toEqual([
      {
        level: 'info',
        event: 'http_malformed',
        fields: { code: 'bad_request', cause: 'HPE_INVALID_METHOD' },
      },
    ]);
  });

  it('a head over 16 KiB is a 431', async () => {
    const running = await start();
    const { raw, ...answer } = await exchange(
      running,
      `PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}X-A: ${'x'.repeat(17_000)}\r\nContent-Length: 1\r\n\r\nx`,
    );
    expect(problemIn(answer)).toBe('431 headers_too_large');
    await raw.closed();
    expect(running.port.submitted).toHaveLength(0);
    expect(await servesOthers(running)).toBe(true);
  });

  it('10,000 small headers are a 431', async () => {
    const running = await start();
    const headers = Array.from({ length: 10_000 }, (_, i) => `a${i}: 1\r\n`).join('');
    expect(
      problemIn(
        await exchange(running, `PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}${headers}Content-Length: 0\r\n\r\n`),
      ),
    ).toBe('431 headers_too_large');
    expect(running.port.submitted).toHaveLength(0);
    expect(await servesOthers(running)).toBe(true);
  });

  it('chunk extensions without end are a 413', async () => {
    const running = await start();
    const { raw, ...answer } = await exchange(
      running,
      `PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(20_000)}`,
    );
    expect(problemIn(answer)).toBe('413 value_too_large');
    await raw.closed();
    expect(running.port.submitted).toHaveLength(0);
  });

  it('257 headers are a 431, and 256 are all read', async () => {
    const running = await start();
    expect(problemIn(await exchange(running, putWith(257)))).toBe('431 headers_too_large');
    expect(problemIn(await exchange(running, putWith(256)))).toBe('412 precondition_failed');
    expect(running.port.submitted).toHaveLength(1);
  });

  it('10 KiB of baggage and a malformed traceparent are ignored', async () => {
    const running = await start();
    const answer = await exchange(
      running,
      `GET /v1/kv/b/k HTTP/1.1\r\n${HOST}traceparent: garbage\r\nbaggage: a=${'x'.repeat(10_000)}\r\n\r\n`,
    );
    expect(problemIn(answer)).toBe('404 not_found');
    expect(JSON.parse(answer.body).traceId).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe('a request that is not ours', () => {
  it.each<[string, string, number, string]>([
    ['TRACE', `TRACE /v1/kv/b/k HTTP/1.1\r\n${HOST}X-Secret: secret\r\n\r\n`, 405, 'method_not_allowed'],
    ['a method that nobody knows', `SECRET /v1/kv/b/k?a HTTP/1.1\r\n${HOST}\r\n`, 405, 'method_not_allowed'],
    ['such a method where nothing is', `SECRET /secret HTTP/1.1\r\n${HOST}\r\n`, 404, 'not_found'],
    ['PROPFIND', `PROPFIND /v1/kv/b/k HTTP/1.1\r\n${HOST}\r\n`, 405, 'method_not_allowed'],
    [
      'an URL of another host',
      `GET http://example.com/v1/cluster HTTP/1.1\r\nHost: example.com\r\n\r\n`,
      404,
      'not_found',
    ],
    [
      'an URL of another host under our name',
      `GET http://example.com/v1/cluster HTTP/1.1\r\n${HOST}\r\n`,
      404,
      'not_found',
    ],
    ['an admin route', `GET /v1/admin HTTP/1.1\r\n${HOST}\r\n`, 404, 'not_found'],
    ['an admin route behind dots', `GET /v1/cluster/../admin HTTP/1.1\r\n${HOST}\r\n`, 404, 'not_found'],
    ['another host behind slashes', `GET //example.com/v1/cluster HTTP/1.1\r\n${HOST}\r\n`, 404, 'not_found'],
    [
      'an upgrade',
      `GET /v1/nothing HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
      404,
      'not_found',
    ],
    ['the server itself', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, 400, 'bad_request'],
  ])('%s is refused', async (_, bytes, status, code) => {
    const running = await start();
    expect(problemIn(await exchange(running, bytes))).toBe(`${status} ${code}`);
    expect(running.port.submitted).toHaveLength(0);
    expect(await servesOthers(running)).toBe(true);
  });

  it('CONNECT is closed', async () => {
    const running = await start();
    const raw = await client(running.server);
    raw.send(`CONNECT example.com:443 HTTP/1.1\r\n${HOST}\r\n`);
    await raw.closed();
    expect(await servesOthers(running)).toBe(true);
  });

  it('compressed transfer is a 415', async () => {
    const running = await start();
    const answer = await exchange(
      running,
      `PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`,
    );
    expect(problemIn(answer)).toBe('415 unsupported_media_type');
    expect(running.port.keys).toBe(0);
  });
});

describe('a client that takes its time', () => {
  const bounds = { headersTimeoutMs: 300, requestTimeoutMs: 400, checkIntervalMs: 30 };

  it.each<[string, readonly string[]]>([
    ['says nothing', []],
    [
      'sends its head a byte at a time',
      Array.from(`GET /v1/kv/b/k HTTP/1.1\r\n${HOST}X-A: ${'x'.repeat(100)}`),
    ],
    ['stops after 3 of 100 bytes', [`PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Content-Length: 100\r\n\r\n`, 'abc']],
    [
      'stops within a chunk',
      [`PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`, '64\r\nabc'],
    ],
    [
      'sends its body a byte at a time',
      [`PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Content-Length: 100\r\n\r\n`, ...Array<string>(90).fill('x')],
    ],
  ])('%s: it is told 408 and closed, and others are served meanwhile', async (_, pieces) => {
    const running = await start(bounds);
    const raw = await client(running.server);
    const began = performance.now();
    const dripping = (async () => {
      for (const piece of pieces) {
        raw.send(piece);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await servesOthers(running)).toBe(true);
    expect(problemIn(await raw.answer())).toBe('408 request_timeout');
    await raw.closed();
    expect(performance.now() - began).toBeLessThan(5_000);
    await dripping;
    expect(running.port.submitted).toHaveLength(1);
  });

  it('has 15 seconds at most, as the bounds are when nobody sets them', () => {
    const { headersTimeoutMs, requestTimeoutMs, checkIntervalMs } = DEFAULT_SERVER_BOUNDS;
    expect(headersTimeoutMs + checkIntervalMs).toBeLessThanOrEqual(15_000);
    expect(requestTimeoutMs + checkIntervalMs).toBeLessThanOrEqual(15_000);
  });

  it('between requests is let go after the idle time', async () => {
    const running = await start({ keepAliveTimeoutMs: 100 });
    const { raw, status } = await exchange(running, `GET /healthz/live HTTP/1.1\r\n${HOST}\r\n`);
    expect(status).toBe(200);
    await raw.closed(3_000);
  });

  it('and goes away in the middle of its body costs nothing: no write, and the memory is free again', async () => {
    const running = await start({}, { limits: { bodyBytesUnderWay: 100_000 } });
    for (let i = 0; i < 5; i++) {
      const raw = await client(running.server);
      raw.send(`PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Content-Length: 90000\r\n\r\n${'x'.repeat(80_000)}`);
      await new Promise((resolve) => setTimeout(resolve, 30));
      raw.end();
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    expect(running.port.submitted).toHaveLength(0);
    const put = `PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Content-Length: 90000\r\n\r\n${'x'.repeat(90_000)}`;
    expect((await exchange(running, put)).status).toBe(204);
  });
});

describe('a client that does not read', () => {
  it('is closed: what it was sent is held for it', async () => {
    const running = await start({ silenceTimeoutMs: 300 });
    const value = 'x'.repeat(500_000);
    for (let i = 0; i < 15; i++) {
      await running.app.request('/v1/kv/b/k', { method: 'PUT', body: value });
    }
    const socket = connect(running.server.port, '127.0.0.1');
    cleanups.push(() => socket.destroy());
    socket.pause();
    socket.write(`GET /v1/kv/b/k HTTP/1.1\r\n${HOST}\r\n`);
    await expect.poll(() => running.port.submitted.length).toBe(16);
    await expect.poll(() => running.server.connections(), { timeout: 5_000 }).toBe(0);
    expect(await servesOthers(running)).toBe(true);
  });
});

describe('too many connections', () => {
  it('are not taken, and health still answers on its own port', async () => {
    const running = await start({ connectionsMax: 50 });
    const { options } = running;
    const own = new Health(options.port.cluster, options.draining);
    const health = await serveHealth(own, new Telemetry(), '127.0.0.1', 0);
    cleanups.push(async () => health.close());
    const idle = await Promise.all(Array.from({ length: 200 }, () => client(running.server)));
    await expect.poll(() => idle.filter(({ isClosed }) => !isClosed).length, { timeout: 5_000 }).toBe(50);
    const kept = idle.filter(({ isClosed }) => !isClosed);
    const probe = await RawClient.open(health.port);
    cleanups.push(() => probe.end());
    probe.send(`GET /healthz/ready HTTP/1.1\r\n${HOST}\r\n`);
    expect((await probe.answer()).status).toBe(200);
    // Those that were taken are served, and the rest can come when they have gone.
    kept[0]?.send(`GET /healthz/live HTTP/1.1\r\n${HOST}\r\n`);
    expect((await kept[0]?.answer())?.status).toBe(200);
    for (const each of kept) each.end();
    await expect.poll(() => running.server.connections(), { timeout: 5_000 }).toBe(0);
    expect(await servesOthers(running)).toBe(true);
    expect(running.log.some(({ event }) => event === 'http_connection_dropped')).toBe(true);
  });
});

describe('closing', () => {
  it('lets a request finish, refuses new connections, and closes idle ones', async () => {
    const running = await start();
    const gate = Promise.withResolvers<void>();
    running.port.hold = () => gate.promise;
    const idle = await client(running.server);
    const busy = await client(running.server);
    busy.send(`PUT /v1/kv/b/k HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\nx`);
    await expect.poll(() => running.port.submitted.length).toBe(1);
    running.pod.draining = true;
    const closing = running.server.close(5_000);
    await idle.closed();
    await expect(RawClient.open(running.server.port)).rejects.toThrow('ECONNREFUSED');
    expect(busy.isClosed).toBe(false);
    gate.resolve();
    expect(await busy.answer()).toMatchObject({ status: 204, headers: { connection: 'close' } });
    await closing;
    expect(running.port.keys).toBe(1);
  });

  it('closes a connection as soon as its last answer is out, asked for or not', async () => {
    const running = await start();
    const gate = Promise.withResolvers<void>();
    running.port.hold = () => gate.promise;
    const busy = await client(running.server);
    busy.send(`GET /v1/kv/b/k HTTP/1.1\r\n${HOST}\r\n`);
    await expect.poll(() => running.port.submitted.length).toBe(1);
    const closing = running.server.close(10_000);
    gate.resolve();
    const began = performance.now();
    expect((await busy.answer()).status).toBe(404);
    await closing;
    expect(performance.now() - began).toBeLessThan(4_000);
  });

  it('cuts what does not finish in time', async () => {
    const running = await start();
    running.port.hold = () => new Promise(() => undefined);
    const busy = await client(running.server);
    busy.send(`GET /v1/kv/b/k HTTP/1.1\r\n${HOST}\r\n`);
    await expect.poll(() => running.port.submitted.length).toBe(1);
    const began = performance.now();
    await running.server.close(100);
    expect(performance.now() - began).toBeLessThan(4_000);
    await busy.closed();
  });

  it('does not keep a connection that stays alive from request to request', async () => {
    const running = await start();
    const raw = await client(running.server);
    raw.send(`GET /healthz/live HTTP/1.1\r\n${HOST}\r\n`);
    await raw.answer();
    const began = performance.now();
    await running.server.close(5_000);
    expect(performance.now() - began).toBeLessThan(4_000);
  });
});

it('many clients at once each get their own answer', async () => {
  const running = await start();
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  cleanups.push(() => agent.destroy());
  const call = (method: string, path: string, body?: string): Promise<{ status: number; body: string }> =>
    new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: running.server.port, agent, method, path };
      const outgoing = httpRequest(options, (incoming) => {
        let text = '';
        incoming.setEncoding('utf8');
        incoming.on('data', (chunk: string) => (text += chunk));
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body: text }));
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  await Promise.all(
    Array.from({ length: 300 }, async (_, i) => {
      expect((await call('PUT', `/v1/kv/b/k${i}`, `value ${i}`)).status).toBe(204);
      expect(await call('GET', `/v1/kv/b/k${i}`)).toEqual({ status: 200, body: `value ${i}` });
      expect((await call('DELETE', `/v1/kv/b/k${i}`)).status).toBe(204);
      expect((await call('GET', `/v1/kv/b/k${i}`)).status).toBe(404);
    }),
  );
});

it('a port that is taken is an error, not a crash', async () => {
  const running = await start();
  const { app, options } = running;
  const again = serveHttp(app, {
    host: '127.0.0.1',
    port: running.server.port,
    log: options.log,
    randomBytes: options.randomBytes,
  });
  await expect(again).rejects.toThrow('EADDRINUSE');
});
