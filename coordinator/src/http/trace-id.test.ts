import { expect, it } from 'vitest';
import { traceIdOf } from './trace-id.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';

it('is the trace id of a valid traceparent', () => {
  expect(traceIdOf(`00-${TRACE}-${PARENT}-01`)).toBe(TRACE);
});

it('is read from later versions too, which may say more', () => {
  expect(traceIdOf(`01-${TRACE}-${PARENT}-01`)).toBe(TRACE);
  expect(traceIdOf(`cc-${TRACE}-${PARENT}-01-what-the-future-will-be-like`)).toBe(TRACE);
});

it.each([
  undefined,
  '',
  'x',
  `00-${TRACE}-${PARENT}`,
  `00-${TRACE}-${PARENT}-01-more`,
  `ff-${TRACE}-${PARENT}-01`,
  `00-${'0'.repeat(32)}-${PARENT}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `00-${TRACE.toUpperCase()}-${PARENT}-01`,
  `00-${TRACE}-${PARENT}-0g`,
  `00-${TRACE}-${PARENT}-01\n`,
])('%s counts as absent', (header) => {
  expect(traceIdOf(header)).toBeUndefined();
});

it('is not looked for in 10 KiB', () => {
  expect(traceIdOf(`01-${TRACE}-${PARENT}-01-${'x'.repeat(10_000)}`)).toBeUndefined();
});
