import type { Echoed } from '@circlet/shared/protocol/echo.ts';
import { describe, expect, it } from 'vitest';
import { NodeView } from './node-view.ts';

const pulse = (fields: Partial<Echoed> = {}): Echoed => ({
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
  ...fields,
});

/** A node that answered an echo at `nowMs`. */
function heard(nowMs: number, fields: Partial<Echoed> = {}): NodeView {
  const view = new NodeView('n1');
  answer(view, nowMs, fields);
  return view;
}

function answer(view: NodeView, nowMs: number, fields: Partial<Echoed> = {}, boot = 'boot1'): boolean {
  view.heard(boot, nowMs);
  return view.echoed(pulse({ sentMs: nowMs - 2, monoMs: nowMs + 1_000_000, ...fields }), nowMs);
}

describe('a node', () => {
  it('is no use before it was heard', () => {
    const view = new NodeView('n1');
    expect([view.isUsable(0), view.isReachable(0), view.isWorthAsking(0)]).toEqual([false, false, false]);
    expect(view.address).toEqual({ role: 'storage', name: 'n1', boot: undefined });
  });

  it('is used once its echo has come back, and asked by the boot that it named', () => {
    const view = heard(10);
    expect([view.isUsable(10), view.isWritable(10)]).toEqual([true, true]);
    expect(view.address.boot).toBe('boot1');
  });

  it('that is not ready is reachable and not used; a full one is read and not written', () => {
    expect(heard(10, { ready: false }).isUsable(10)).toBe(false);
    expect(heard(10, { ready: false }).isReachable(10)).toBe(true);
    expect(heard(10, { writable: false }).isUsable(10)).toBe(true);
    expect(heard(10, { writable: false }).isWritable(10)).toBe(false);
  });

  it('that was heard of nothing for two and a half seconds is skipped', () => {
    const view = heard(10);
    expect(view.isUsable(2_509)).toBe(true);
    expect(view.isUsable(2_510)).toBe(false);
    expect(view.isWorthAsking(2_510)).toBe(false);
    answer(view, 3_000);
    expect(view.isUsable(3_000)).toBe(true);
  });

  it('that the bus could not find is skipped until an echo comes back, and asked as a last resort', () => {
    const view = heard(10);
    view.undelivered();
    expect([view.isUsable(11), view.isWorthAsking(11)]).toEqual([false, true]);
    // Anything else it says may have been under way when it died.
    view.heard('boot1', 12);
    expect(view.isUsable(12)).toBe(false);
    answer(view, 13);
    expect(view.isUsable(13)).toBe(true);
  });

  it('that left a request unanswered is skipped until it is heard, and not asked as a last resort', () => {
    const view = heard(10);
    view.unanswered(20, 270);
    expect([view.isUsable(300), view.isWorthAsking(300)]).toEqual([false, false]);
    view.heard('boot1', 301);
    expect(view.isUsable(301)).toBe(true);
  });

  it('that was not waited for as long as a quarter of a second is slow for one client, and silent for none', () => {
    const view = heard(10);
    view.unanswered(20, 269);
    expect(view.isUsable(300)).toBe(true);
  });

  it('that was heard since a request was sent is not silent, only slow', () => {
    const view = heard(10);
    view.unanswered(5, 1_000);
    expect(view.isUsable(1_001)).toBe(true);
  });

  it('in a new life has a clock and a readiness that are not known yet', () => {
    const view = heard(10);
    view.heard('boot2', 20);
    expect(view.address.boot).toBe('boot2');
    expect([view.clock.best, view.pulse, view.isUsable(20)]).toEqual([undefined, undefined, false]);
    expect(view.inItsClock(5_000)).toBe(0);
    answer(view, 30, {}, 'boot2');
    expect(view.isUsable(30)).toBe(true);
  });

  it('is told deadlines in its clock, never early', () => {
    const view = heard(10);
    expect(view.inItsClock(5_000)).toBeGreaterThanOrEqual(5_000 + 1_000_000);
    expect(view.inItsClock(5_000)).toBeLessThanOrEqual(5_000 + 1_000_004);
    expect(Number.isInteger(view.inItsClock(5_000.25))).toBe(true);
  });

  it('whose clock is behind is never told a time before its beginning', () => {
    const view = new NodeView('n1');
    view.heard('boot1', 1_000_000);
    view.echoed(pulse({ sentMs: 999_998, monoMs: 3 }), 1_000_000);
    expect(view.inItsClock(5_000)).toBe(0);
    expect(view.inItsClock(1_000_500)).toBeGreaterThanOrEqual(500);
  });

  it('is asked for its pulse every second, and every 200 ms while it is no use', () => {
    const view = heard(1_000);
    view.echoSentMs = 1_000;
    expect([view.echoDue(1_500), view.echoDue(2_000)]).toEqual([false, true]);
    view.undelivered();
    expect([view.echoDue(1_100), view.echoDue(1_200)]).toEqual([false, true]);
  });

  it('tells when its clock jumped', () => {
    const view = heard(1_000);
    expect(answer(view, 2_000)).toBe(false);
    expect(answer(view, 3_000, { monoMs: 5_000_000 })).toBe(true);
  });
});
