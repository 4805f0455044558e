import { expect, it } from 'vitest';
import { Probe } from './probe.ts';

it('takes reports only from the helpers it asked, about this cycle', () => {
  const probe = new Probe('target', 7);
  expect(probe.reportedBy('helper', 7)).toBe(false);
  probe.askedHelpers(['helper']);
  expect(probe.isIndirect).toBe(true);
  expect(probe.reportedBy('helper', 6)).toBe(false);
  expect(probe.reportedBy('target', 7)).toBe(false);
  expect(probe.isUnheard).toBe(true);
  expect(probe.reportedBy('helper', 7)).toBe(true);
  expect(probe.isUnheard).toBe(false);
});
