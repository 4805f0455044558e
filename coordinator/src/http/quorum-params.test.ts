import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Problem, Refused } from './problems.ts';
import { batchQuorum, objectParams } from './quorum-params.ts';

const N = 3;
const quorum = (query: string, replicas = N) => objectParams(query, replicas).quorum;

function problem(query: string, replicas = N): Problem | undefined {
  try {
    objectParams(query, replicas);
  } catch (error) {
    if (error instanceof Refused) return error.problem;
    throw error;
  }
  return undefined;
}

function refusal(query: string, replicas = N): string | undefined {
  const found = problem(query, replicas);
  return found === undefined ? undefined : `${found.code} ${found.reason}`;
}

describe('quorum parameters', () => {
  it('default to a majority, sloppy, of whatever N is', () => {
    expect(quorum('')).toEqual({ r: 2, rIsFirm: false, w: 2, pr: 0, pw: 0, sloppy: true, timeoutMs: 5000 });
    expect(quorum('', 5)).toMatchObject({ r: 3, w: 3 });
    expect(quorum('', 4)).toMatchObject({ r: 3, w: 3 });
    expect(quorum('', 1)).toMatchObject({ r: 1, w: 1 });
  });

  it('take numbers and words', () => {
    expect(quorum('r=1&w=3&pr=one&pw=all&timeout=250&sloppy=false')).toEqual({
      r: 1,
      rIsFirm: true,
      w: 3,
      pr: 1,
      pw: 3,
      sloppy: false,
      timeoutMs: 250,
    });
    expect(quorum('r=quorum', 5)).toMatchObject({ r: 3, rIsFirm: true });
    expect(quorum('r=%32')).toMatchObject({ r: 2 });
    expect(objectParams('returnvalue=1&explain=1', N).returnValue).toBe(true);
    expect(quorum('timeout=10')).toMatchObject({ timeoutMs: 10 });
    expect(quorum('timeout=60000')).toMatchObject({ timeoutMs: 60_000 });
  });

  it('mean the same without a query string, with an empty one, and with the defaults spelt out', () => {
    const { rIsFirm: _, ...spelt } = quorum('r=quorum&w=quorum&timeout=5000&sloppy=true');
    expect(spelt).toEqual({ r: 2, w: 2, pr: 0, pw: 0, sloppy: true, timeoutMs: 5000 });
    expect(quorum('&')).toEqual(quorum(''));
  });

  it.each(['r', 'w', 'pr', 'pw'])('%s over N, or not a count, is refused', (name) => {
    const bad = [
      '-1',
      '0',
      '4',
      '1e9',
      'NaN',
      '2.5',
      '',
      '02',
      '+2',
      ' 2',
      '0x2',
      'Quorum',
      'most',
      '٢',
      'null',
    ];
    for (const value of bad) {
      expect(refusal(`${name}=${encodeURIComponent(value)}`)).toBe(`invalid_parameter ${name}`);
    }
    expect(refusal(name)).toBe(`invalid_parameter ${name}`);
    expect(refusal(`${name}=3`, 2)).toBe(`invalid_parameter ${name}`);
  });

  it.each([
    ['timeout=9', 'timeout'],
    ['timeout=60001', 'timeout'],
    ['timeout=1e3', 'timeout'],
    ['timeout=-5', 'timeout'],
    ['timeout=', 'timeout'],
    ['timeout=5s', 'timeout'],
    ['timeout=99999999999999999999', 'timeout'],
    ['sloppy=yes', 'sloppy'],
    ['sloppy=TRUE', 'sloppy'],
    ['sloppy', 'sloppy'],
    ['explain=2', 'explain'],
    ['returnvalue=true', 'returnvalue'],
    ['rr=2', 'unknown'],
    ['R=2', 'unknown'],
    ['__proto__=1', 'unknown'],
    ['=2', 'unknown'],
    ['r=2&r=2', 'repeated'],
    ['r=2&%72=3', 'repeated'],
    ['r=%2', 'bad_escape'],
    ['r=%zz', 'bad_escape'],
  ])('%s is refused: %s', (query, reason) => {
    expect(refusal(query)).toBe(`invalid_parameter ${reason}`);
  });

  it('never let anything through but 1..N', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 7 }), (value, replicas) => {
        const query = `r=${encodeURIComponent(value)}`;
        const isRefused = refusal(query, replicas) === 'invalid_parameter r';
        const r = isRefused ? 1 : quorum(query, replicas).r;
        expect(r >= 1 && r <= replicas).toBe(true);
      }),
    );
  });

  it('are told about without repeating what was sent', () => {
    expect(problem('%73ecret=hunter2')).toMatchObject({ code: 'invalid_parameter' });
    expect(JSON.stringify(problem('%73ecret=hunter2'))).not.toMatch(/secret|hunter2/);
    expect(JSON.stringify(problem('r=hunter2'))).not.toMatch(/hunter2/);
  });
});

describe('the query of a batch', () => {
  it('is the same without what only a single call can mean', () => {
    expect(batchQuorum('w=3', N)).toMatchObject({ w: 3 });
    expect(batchQuorum('', N)).toEqual(quorum(''));
    expect(() => batchQuorum('returnvalue=1', N)).toThrow(Refused);
  });
});
