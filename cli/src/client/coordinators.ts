/**
 * Which coordinator to ask next. They are equals and keep no state, so calls go round them in turn; one that could
 * not be reached rests for a while, twice as long each time, and is then tried again. A resting one still stands at
 * the end of the order: when all rest, asking is better than refusing.
 */
export class Coordinators {
  readonly #all: readonly Coordinator[];
  #next = 0;

  constructor(urls: readonly string[]) {
    this.#all = urls.map((url) => ({ url, failures: 0, restsUntilMs: 0 }));
  }

  /** Every coordinator once, the best to ask first. */
  order(nowMs: number): string[] {
    const start = this.#next;
    this.#next = (start + 1) % this.#all.length;
    const turned = [...this.#all.slice(start), ...this.#all.slice(0, start)];
    const awake = turned.filter((each) => each.restsUntilMs <= nowMs);
    const resting = turned.filter((each) => each.restsUntilMs > nowMs);
    resting.sort((a, b) => a.restsUntilMs - b.restsUntilMs);
    return [...awake, ...resting].map((each) => each.url);
  }

  answered(url: string): void {
    const coordinator = this.#find(url);
    coordinator.failures = 0;
    coordinator.restsUntilMs = 0;
  }

  failed(url: string, nowMs: number): void {
    const coordinator = this.#find(url);
    // Of 64 calls in flight to one that dies, all fail; they are one failure.
    if (coordinator.restsUntilMs > nowMs) return;
    coordinator.failures++;
    coordinator.restsUntilMs = nowMs + Math.min(REST_MS_MAX, REST_MS_FIRST * 2 ** (coordinator.failures - 1));
  }

  #find(url: string): Coordinator {
    const found = this.#all.find((each) => each.url === url);
    if (found === undefined) throw new Error(`unknown coordinator ${url}`);
    return found;
  }
}

interface Coordinator {
  readonly url: string;
  failures: number;
  restsUntilMs: number;
}

/** A pod that restarts is back within seconds; one that is gone costs one try each half minute. */
const REST_MS_FIRST = 500;
const REST_MS_MAX = 30_000;
