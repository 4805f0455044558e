import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { jsonOf, type Ran, runCli } from '../cli.case.ts';
import { EXIT } from '../exit-codes.ts';
import { FakeServer, problemBody, type Trick } from '../fake-server.case.ts';

/** The fake is the admin listener; it answers in order what the test says, and the last of it for ever. */
let fake: FakeServer;
let answers: Trick[];

beforeEach(async () => {
  fake = await FakeServer.start();
  answers = [];
  fake.trick = () => (answers.length > 1 ? answers.shift() : answers[0]);
});

afterEach(async () => {
  await fake.stop();
});

const DIGEST = '0123456789abcdef0123456789abcdef';
const MIB = 1024 * 1024;

function answer(status: number, body: unknown): Trick {
  return { kind: 'answer', status, body };
}

function refuse(status: number, code: string, detail: string): Trick {
  return answer(status, problemBody(status, code, { detail }));
}

async function run(...args: string[]): Promise<Ran> {
  return await runCli(['cluster', ...args], { env: { CIRCLET_ADMIN: fake.url } });
}

const asked = () =>
  fake.seen.map(({ method, path, body }) => [
    `${method} ${path}`,
    body.length === 0 ? undefined : JSON.parse(body.toString()),
  ]);

const PLAN = {
  status: 'planned',
  digest: DIGEST,
  epoch: 8,
  transfers: [
    { from: 'storage-0', to: 'n4', vnodes: 57, bytes: 80 * MIB },
    { from: 'storage-1', to: 'n4', vnodes: 1_300, bytes: 40 * MIB + 1 },
    { from: null, to: 'n5', vnodes: 2, bytes: 0 },
  ],
};

describe('plan', () => {
  test('a table of what would move, and the command that commits it', async () => {
    answers = [answer(200, PLAN)];
    const ran = await run('plan', 'join', 'n4', 'n5');
    expect(ran).toEqual({
      code: 0,
      stderr: '',
      stdout: Buffer.from(
        [
          'epoch 8 would begin the change: 1,359 vnodes, about 120.0 MiB, in 16s or more',
          'FROM       TO  VNODES     BYTES  SECONDS',
          'storage-0  n4      57  80.0 MiB       10',
          'storage-1  n4   1,300  40.0 MiB        6',
          '-          n5       2       0 B        0',
          '',
          'Commit it with:',
          `  circlet cluster commit ${DIGEST} join n4 n5`,
          '',
        ].join('\n'),
      ),
    });
    expect(asked()).toEqual([['POST /v1/changes', { verb: 'join', names: ['n4', 'n5'] }]]);
  });

  test('a size that nobody knows is no zero, and an --admin that was given is given again', async () => {
    answers = [answer(200, { ...PLAN, transfers: [{ from: 'a', to: 'b', vnodes: 1, bytes: null }] })];
    const ran = await runCli(['cluster', 'plan', 'weight', 'b=12', '--admin', fake.url]);
    expect(ran.stdout.toString()).toContain('1 vnode, at least 0 B, for an unknown time\n');
    expect(ran.stdout.toString()).toMatch(/^a +b +1 +- +-$/m);
    expect(ran.stdout.toString()).toContain(
      `circlet cluster commit ${DIGEST} weight b=12 --admin ${fake.url}\n`,
    );
    expect(asked()[0]?.[1]).toEqual({ verb: 'weight', names: ['b'], weight: 12 });
  });

  test('nothing moves', async () => {
    answers = [answer(200, { ...PLAN, transfers: [] })];
    expect((await run('plan', 'leave', 'n4')).stdout.toString()).toContain(
      'epoch 8 would begin the change: nothing moves\n',
    );
  });

  test('-o json', async () => {
    answers = [answer(200, PLAN)];
    expect(jsonOf(await run('plan', 'replace', 'a', 'n4', '-o', 'json'))).toEqual({
      digest: DIGEST,
      epoch: 8,
      transfers: PLAN.transfers.map((each, i) => ({ ...each, seconds: [10, 6, 0][i] })),
      seconds: 16,
      commit: `circlet cluster commit ${DIGEST} replace a n4`,
    });
  });

  test.each([
    [
      ['explode', 'n4'],
      /'explode' is invalid for argument 'change'\. Allowed choices are join, leave, replace, weight\./,
    ],
    [['join'], /missing required argument 'names'/],
    [['join', 'N4'], /"N4" is no name of a pod: those have lower-case letters, digits and dashes\./],
    [['join', 'n4', 'n4'], /"n4" is named twice: name each pod once\./],
    [['replace', 'n4'], /replace takes two names/],
    [['weight', 'n4'], /weight takes NAME=N, with N from 1 to 64/],
    [['weight', 'n4=0'], /weight takes NAME=N/],
    [['weight', 'n4=65'], /weight takes NAME=N/],
    [['weight', 'n4=2', 'n5=2'], /weight takes NAME=N/],
    [['weight', '=2'], /"" is no name of a pod/],
    [['leave', ...Array.from({ length: 33 }, (_, i) => `n${i}`)], /33 names are too many/],
  ])('%j is a mistake, told in one line before anything is sent', async (words, message) => {
    for (const command of [['plan'], ['commit', DIGEST]]) {
      const ran = await run(...command, ...words);
      expect([ran.code, ran.stdout.length]).toEqual([EXIT.usage, 0]);
      expect(ran.stderr).toMatch(message);
      expect(ran.stderr.trim().split('\n')).toHaveLength(1);
    }
    expect(fake.seen).toEqual([]);
  });
});

describe('commit', () => {
  test('asks again until the change is chosen, and says the epoch', async () => {
    answers = [
      answer(202, { status: 'proposed', digest: DIGEST }),
      refuse(429, 'overloaded', 'Another request.'),
      answer(200, { status: 'chosen', digest: DIGEST, epoch: 8 }),
    ];
    expect(await run('commit', DIGEST, 'join', 'n4')).toEqual({
      code: 0,
      stderr: '',
      stdout: Buffer.from('chosen: epoch 8\n'),
    });
    const once = [`POST /v1/changes/${DIGEST}`, { verb: 'join', names: ['n4'] }];
    expect(asked()).toEqual([once, once, once]);
    expect(jsonOf(await run('commit', DIGEST, 'join', 'n4', '-o', 'json'))).toEqual({
      status: 'chosen',
      digest: DIGEST,
      epoch: 8,
    });
  });

  test('what the cluster refuses is a failure in its words', async () => {
    answers = [
      refuse(
        409,
        'change_refused',
        'The cluster refuses this change: it has changed since this was planned: plan it again.',
      ),
    ];
    expect(await run('commit', DIGEST, 'leave', 'n4')).toEqual({
      code: EXIT.failure,
      stdout: Buffer.alloc(0),
      stderr:
        'circlet: cannot commit the change: change_refused (409): The cluster refuses this change: it has changed since this was planned: plan it again. [trace feed]\n',
    });
    expect(fake.seen).toHaveLength(1);
  });

  test('a digest that is none is a mistake', async () => {
    const ran = await run('commit', 'join', 'join', 'n4');
    expect([ran.code, fake.seen.length]).toEqual([EXIT.usage, 0]);
    expect(ran.stderr).toBe(
      'circlet: a digest is 32 hexadecimal digits: take the command that the plan printed.\n',
    );
  });
});

describe('cancel', () => {
  test('waits until it is chosen, asking by the digest that it was told', async () => {
    answers = [
      answer(202, { status: 'proposed', digest: DIGEST }),
      answer(200, { status: 'chosen', digest: DIGEST, epoch: 9 }),
    ];
    expect((await run('cancel')).stdout.toString()).toBe('chosen: epoch 9\n');
    expect(asked()).toEqual([
      ['DELETE /v1/changes', undefined],
      [`POST /v1/changes/${DIGEST}`, { verb: 'cancel' }],
    ]);
  });

  test('nothing to cancel', async () => {
    answers = [refuse(409, 'change_refused', 'The cluster refuses this change: no change is under way.')];
    const ran = await run('cancel');
    expect([ran.code, ran.stderr]).toEqual([
      EXIT.failure,
      'circlet: cannot cancel the change: change_refused (409): The cluster refuses this change: no change is under way. [trace feed]\n',
    ]);
  });
});

describe('watch', () => {
  const moving = (left: number, bytes: number, phase = 'filling') =>
    answer(200, {
      epoch: 8,
      phase,
      transfers: [],
      nodes: [
        { name: 'n4', status: 'alive', left, of: 200, bytes },
        { name: 'n5', status: 'down', left: null, of: null, bytes: null },
      ],
    });
  const still = answer(200, { epoch: 10, phase: null, transfers: [], nodes: [] });

  test('a line for each pod every now and then, until nothing moves', async () => {
    answers = [moving(200, 0), moving(50, 30 * MIB), moving(0, 40 * MIB, 'switching'), still];
    const ran = await run('watch', '--every', '50ms');
    expect([ran.code, ran.stderr]).toEqual([0, '']);
    const lines = ran.stdout.toString().split('\n');
    expect(lines).toHaveLength(8);
    expect(lines[0]).toBe('n4  filling  0/200  0%  0 B  -  ETA -');
    expect(lines[1]).toBe('n5  filling  -  -  -  -  ETA -');
    expect(lines[2]).toMatch(
      /^n4 {2}filling {2}150\/200 {2}75% {2}30\.0 MiB {2}\d+\.\d MiB\/s {2}ETA \d+ms$/,
    );
    expect(lines[4]).toMatch(/^n4 {2}switching {2}200\/200 {2}100% {2}40\.0 MiB {2}.*ETA 0s$/);
    expect(lines[6]).toBe('epoch 10: no move is under way');
    expect(ran.stdout.includes('\u001b')).toBe(false);
  });

  test('nothing moves: it says so and ends', async () => {
    answers = [still];
    expect(await run('watch')).toEqual({
      code: 0,
      stderr: '',
      stdout: Buffer.from('epoch 10: no move is under way\n'),
    });
  });

  test('-o json is a document a line', async () => {
    answers = [moving(200, 0), still];
    const ran = await run('watch', '--every', '50ms', '-o', 'json');
    const documents = ran.stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(documents).toEqual([
      {
        epoch: 8,
        phase: 'filling',
        nodes: [
          { name: 'n4', status: 'alive', left: 200, of: 200, bytes: 0, bytesPerSecond: null, etaMs: null },
          {
            name: 'n5',
            status: 'down',
            left: null,
            of: null,
            bytes: null,
            bytesPerSecond: null,
            etaMs: null,
          },
        ],
      },
      { epoch: 10, phase: null, nodes: [] },
    ]);
  });

  test('a coordinator that is away for a moment does not end it', async () => {
    answers = [moving(200, 0), { kind: 'drop' }, refuse(503, 'not_ready', 'Not yet.'), still];
    const ran = await run('watch', '--every', '50ms');
    expect([ran.code, ran.stderr]).toEqual([0, '']);
  });
});

describe('where', () => {
  test('nobody is there: what was tried and what to do, at once', async () => {
    const other = await FakeServer.start();
    const { url } = other;
    await other.stop();
    const beganMs = performance.now();
    for (const words of [['plan', 'join', 'n4'], ['commit', DIGEST, 'join', 'n4'], ['watch'], ['cancel']]) {
      const ran = await runCli(['cluster', ...words, '--admin', url]);
      expect(ran.code).toBe(EXIT.unavailable);
      expect(ran.stderr).toMatch(
        /^circlet: cannot [a-z ]+: no coordinator could be reached \(.*connection refused\)\. .*\n$/,
      );
    }
    // Four starts of a process; none of them waits for anybody.
    expect(performance.now() - beganMs).toBeLessThan(15_000);
  }, 120_000);

  test('the public port is not the admin listener', async () => {
    answers = [refuse(404, 'not_found', 'There is nothing at this path.')];
    const ran = await run('watch');
    expect(ran.code).toBe(EXIT.failure);
    expect(ran.stderr).toContain(
      'not_found (404): There is nothing at this path. Name the admin listener of a coordinator (its --admin-listen) with --admin or CIRCLET_ADMIN.',
    );
  });

  test('something else answers', async () => {
    for (const body of ['<html>', {}, { status: 'odd', digest: DIGEST }, []]) {
      answers = [answer(200, body)];
      const ran = await run('commit', DIGEST, 'join', 'n4');
      expect(ran.code).toBe(EXIT.failure);
      expect(ran.stderr).toContain('not an answer of the Circlet HTTP API');
    }
  });

  test('an --admin that is no URL is a mistake', async () => {
    const ran = await run('watch', '--admin', 'ftp://x');
    expect([ran.code, ran.stderr]).toEqual([
      EXIT.usage,
      "circlet: option '--admin <url>' argument 'ftp://x' is invalid. Give a URL such as http://127.0.0.1:8080. (see --help)\n",
    ]);
  });
});
