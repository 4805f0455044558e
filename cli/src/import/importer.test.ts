import { expect, test } from 'vitest';
import {
  type CircletError,
  ProblemError,
  UnexpectedAnswerError,
  UnreachableError,
} from '../client/errors.ts';
import { problemFrom } from '../client/problem.ts';
import { Interrupted, type RetryClock } from '../retry.ts';
import { type Chunk, type ImportOptions, Importer } from './importer.ts';
import type { AnyRecord } from './record.ts';
import type { Item, Send } from './sender.ts';
import { Tally } from './tally.ts';

/** Sleeps take a turn of the event loop, and as much virtual time as they say. */
function virtualClock(): RetryClock {
  let nowMs = 0;
  return {
    now: () => nowMs,
    random: () => 0.5,
    sleep: async (ms, signal) => {
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (signal.aborted) throw new Interrupted();
      nowMs += ms;
    },
  };
}

function record(number: number, key = `k${number}`, value = `v${number}`): AnyRecord {
  const bytes = Buffer.from(value);
  return {
    kind: 'record',
    number,
    line: number,
    key,
    value: bytes,
    contentType: 'text/plain',
    source: bytes,
  };
}

function malformed(number: number): AnyRecord {
  return { kind: 'malformed', number, line: number, reason: 'bad', source: Buffer.from('?') };
}

async function* chunksOf(...chunks: AnyRecord[][]): AsyncGenerator<Chunk> {
  let bytes = 0;
  for (const records of chunks) {
    yield { records, bytesBefore: bytes, bytesAfter: bytes + 100 };
    bytes += 100;
    await Promise.resolve();
  }
}

const problem = (status: number, code: string): ProblemError =>
  new ProblemError(problemFrom({ code }, status, true, undefined));

function setup(send: Send, changes: Partial<ImportOptions> = {}) {
  const tally = new Tally();
  const failed: [number, string][] = [];
  const stop = new AbortController();
  const importer = new Importer({
    bucket: 'b',
    skip: 0,
    concurrency: 4,
    batch: 1,
    retryForMs: 120_000,
    clock: virtualClock(),
    send,
    tally,
    onFailed: (each, error: CircletError | undefined) =>
      failed.push([each.number, error?.code ?? 'malformed']),
    stop: stop.signal,
    ...changes,
  });
  return { importer, tally, failed, stop };
}

const stored: Send = (items) => Promise.resolve(items.map(() => 'stored'));
const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

test('every record is sent once and counted', async () => {
  const sent: string[] = [];
  const { importer, tally } = setup((items) => {
    sent.push(...items.map((item) => item.record.key));
    return stored(items);
  });
  const ending = await importer.run(
    chunksOf(
      numbers(1, 7).map((n) => record(n)),
      [],
      numbers(8, 10).map((n) => record(n)),
    ),
  );
  expect(ending).toEqual({ kind: 'finished' });
  expect(sent.toSorted()).toEqual(
    numbers(1, 10)
      .map((n) => `k${n}`)
      .toSorted(),
  );
  expect(tally).toMatchObject({ read: 10, stored: 10, failed: 0, settled: 10, position: 300 });
  expect([importer.settledUpTo, importer.unsettled]).toEqual([10, 0]);
});

test('never more at once than allowed, and as many as allowed', async () => {
  let running = 0;
  let most = 0;
  const { importer } = setup(
    async (items) => {
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => setImmediate(resolve));
      running--;
      return items.map(() => 'stored');
    },
    { concurrency: 3 },
  );
  await importer.run(chunksOf(numbers(1, 50).map((n) => record(n))));
  expect(most).toBe(3);
});

test('malformed and refused records fail alone; what passes later is repeated under the same name', async () => {
  const names: string[] = [];
  const { importer, tally, failed } = setup(([item]) => {
    if (item?.record.key === 'k3') return Promise.resolve([problem(413, 'value_too_large')]);
    if (item?.record.key === 'k4') {
      names.push(item.idempotencyKey);
      if (names.length < 4)
        return Promise.resolve([names.length < 3 ? problem(503, 'overloaded') : problem(500, 'internal')]);
    }
    return Promise.resolve(['stored']);
  });
  const ending = await importer.run(chunksOf([record(1), malformed(2), record(3), record(4), record(5)]));
  expect(ending.kind).toBe('finished');
  expect(failed).toEqual([
    [2, 'malformed'],
    [3, 'value_too_large'],
  ]);
  expect(tally).toMatchObject({ stored: 3, failed: 2, retries: 3 });
  expect(Object.fromEntries(tally.errors)).toEqual({ value_too_large: 1, overloaded: 2, internal: 1 });
  expect(Object.fromEntries(tally.failures)).toEqual({ malformed: 1, value_too_large: 1 });
  expect(new Set(names).size).toBe(1);
  expect([importer.settledUpTo, importer.unsettled]).toEqual([5, 0]);
});

test('of a batch, only what failed for the moment is sent again', async () => {
  const requests: string[][] = [];
  const { importer, tally, failed } = setup(
    (items) => {
      requests.push(items.map((item) => item.record.key));
      return Promise.resolve(
        items.map((item) => {
          if (item.record.key === 'k2') return problem(413, 'value_too_large');
          return item.record.key === 'k3' && requests.length === 1 ? problem(503, 'overloaded') : 'stored';
        }),
      );
    },
    { batch: 4 },
  );
  await importer.run(chunksOf(numbers(1, 6).map((n) => record(n))));
  expect(requests[0]).toEqual(['k1', 'k2', 'k3', 'k4']);
  expect(requests.slice(1).map(String).toSorted()).toEqual(['k3', 'k5,k6']);
  expect(failed).toEqual([[2, 'value_too_large']]);
  expect(tally).toMatchObject({ stored: 5, failed: 1, retries: 1 });
});

test('a batch that fails as a whole is sent again as a whole', async () => {
  let calls = 0;
  const { importer, tally } = setup(
    (items) => (++calls === 1 ? Promise.reject(new UnreachableError('gone', 'none')) : stored(items)),
    { batch: 3 },
  );
  await importer.run(chunksOf(numbers(1, 3).map((n) => record(n))));
  expect([calls, tally.stored, tally.retries]).toEqual([2, 3, 3]);
});

test('equal records are different writes, and a key that comes again is counted', async () => {
  const names: string[] = [];
  const { importer, tally } = setup((items) => {
    names.push(...items.map((item) => item.idempotencyKey));
    return stored(items);
  });
  await importer.run(
    chunksOf([
      record(1, 'k', 'same'),
      record(2, 'k', 'same'),
      record(3, 'k', 'other'),
      record(4, 'l', 'same'),
    ]),
  );
  expect(new Set(names).size).toBe(4);
  expect(tally.repeatedKeys).toBe(2);
});

/** The name of the last record that was sent, and how many were. */
async function sentAfter(skip: number): Promise<[string | undefined, number]> {
  const names: string[] = [];
  const { importer, tally } = setup(
    (items: readonly Item[]) => {
      names.push(...items.map((item) => item.idempotencyKey));
      return stored(items);
    },
    { skip },
  );
  await importer.run(chunksOf([record(1, 'k', 'same'), malformed(2), record(3, 'k', 'same')]));
  expect([tally.settled, tally.skipped, tally.failed]).toEqual([3, skip, skip === 0 ? 1 : 0]);
  return [names.at(-1), names.length];
}

test('skipped records are not sent, and those after them keep their names', async () => {
  const [all] = await sentAfter(0);
  expect(await sentAfter(2)).toEqual([all, 1]);
});

test('a cluster that takes nothing for as long as a record may wait ends the import, which can be resumed', async () => {
  const { importer, tally } = setup(() => Promise.reject(new UnreachableError('gone', 'none')));
  const ending = await importer.run(chunksOf(numbers(1, 10_000).map((n) => record(n))));
  expect(ending).toMatchObject({ kind: 'unavailable', error: { code: 'unreachable' } });
  expect(tally.read).toBeLessThan(20);
  expect(tally.failed).toBeGreaterThan(0);
});

test('a last record that fails for long is merely a failed record', async () => {
  const { importer, tally } = setup(() => Promise.resolve([problem(503, 'quorum_unavailable')]));
  expect(await importer.run(chunksOf([record(1)]))).toEqual({ kind: 'finished' });
  expect(tally.failed).toBe(1);
});

test('one record that fails for long does not end an import that gets on', async () => {
  const { importer, tally } = setup(([item]) =>
    Promise.resolve([item?.record.key === 'k1' ? problem(503, 'quorum_unavailable') : 'stored']),
  );
  async function* waiting(): AsyncGenerator<Chunk> {
    yield* chunksOf(numbers(1, 50).map((n) => record(n)));
    await expect.poll(() => tally.failed).toBe(1);
    yield* chunksOf(numbers(51, 100).map((n) => record(n)));
  }
  const ending = await importer.run(waiting());
  expect(ending.kind).toBe('finished');
  expect(tally).toMatchObject({ stored: 99, failed: 1 });
});

test.each([
  problem(400, 'invalid_parameter'),
  problem(401, 'unauthorized'),
  problem(404, 'http_404'),
  new UnexpectedAnswerError('html', 'unknown'),
])('$code concerns all records and ends the import', async (refusal) => {
  const { importer, tally } = setup((items) => Promise.resolve(items.map(() => refusal)));
  const ending = await importer.run(chunksOf(numbers(1, 1_000).map((n) => record(n))));
  expect(ending).toEqual({ kind: 'refused', error: refusal });
  expect([tally.failed, importer.settledUpTo]).toEqual([0, 0]);
});

test('when the user stops, requests under way still count, and no new one begins', async () => {
  const answers: (() => void)[] = [];
  let calls = 0;
  const { importer, tally, stop } = setup(async (items) => {
    calls++;
    await new Promise<void>((resolve) => answers.push(resolve));
    return items.map(() => 'stored');
  });
  const running = importer.run(chunksOf(numbers(1, 100).map((n) => record(n))));
  await expect.poll(() => calls).toBe(4);
  // The second is answered before the stop, the others after it.
  answers[1]?.();
  await expect.poll(() => calls).toBe(5);
  stop.abort();
  for (const answer of answers.slice(1)) answer();
  answers[0]?.();
  expect(await running).toEqual({ kind: 'stopped' });
  expect([calls, tally.stored, importer.settledUpTo]).toEqual([5, 5, 5]);
});

test('what waits for another attempt when the user stops is neither stored nor failed', async () => {
  let calls = 0;
  const { importer, tally, failed, stop } = setup(([item]) => {
    calls++;
    if (calls === 40) stop.abort();
    return Promise.resolve([item?.record.key === 'k3' ? problem(503, 'overloaded') : 'stored']);
  });
  const ending = await importer.run(chunksOf(numbers(1, 100).map((n) => record(n))));
  expect(ending.kind).toBe('stopped');
  expect(failed).toEqual([]);
  expect([importer.settledUpTo, importer.unsettled]).toEqual([2, 1]);
  expect(tally.read).toBeLessThan(100);
});

async function* broken(): AsyncGenerator<Chunk> {
  yield* chunksOf([record(1), record(2)]);
  throw new Error('disk gone');
}

test('an input that breaks off is told only after what is under way is counted', async () => {
  const { importer, tally } = setup(async (items) => {
    await new Promise<void>((resolve) => setImmediate(resolve));
    return items.map(() => 'stored');
  });
  await expect(importer.run(broken())).rejects.toThrow('disk gone');
  expect(tally.stored).toBe(2);
});
