import type { Outcome, Problem } from './errors.ts';
import { isFields, optionalAmount, optionalText } from './shape.ts';
import type { HttpAnswer } from './transport.ts';

/** The problem that an answer of 400 and above states, or the one its status alone amounts to. */
export function problemOf(answer: HttpAnswer, isWrite: boolean, nowMs: number): Problem {
  return problemFrom(
    parsed(answer),
    answer.status,
    isWrite,
    retryAfterMs(answer.headers['retry-after'], nowMs),
  );
}

/** The same for one result of a batch, which carries its problem as a field. */
export function problemFrom(
  said: unknown,
  status: number,
  isWrite: boolean,
  retryAfter: number | undefined,
): Problem {
  const fields = isFields(said) ? said : {};
  return {
    status,
    code: optionalText(fields, 'code') ?? `http_${status}`,
    detail: optionalText(fields, 'detail'),
    traceId: optionalText(fields, 'traceId'),
    outcome: isWrite ? outcomeOf(fields['outcome'], status) : undefined,
    need: optionalAmount(fields, 'need'),
    got: optionalAmount(fields, 'got'),
    from: optionalText(fields, 'from'),
    reason: optionalText(fields, 'reason'),
    retryAfterMs: retryAfter,
  };
}

/** A 4xx to a write means that it did not happen. A 5xx that does not say may come from a proxy: nothing is known. */
function outcomeOf(said: unknown, status: number): Outcome {
  if (said === 'none' || said === 'unknown') return said;
  return status < 500 ? 'none' : 'unknown';
}

function parsed(answer: HttpAnswer): unknown {
  if (!(answer.headers['content-type'] ?? '').includes('json')) return undefined;
  try {
    return JSON.parse(answer.body.toString());
  } catch {
    return undefined;
  }
}

/** Seconds or a date (RFC 9110, 10.2.3). */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}
