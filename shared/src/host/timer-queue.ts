/** A binary heap of things that are due at a time; equal times come out in the order they went in. */
export class TimerQueue<T> {
  private readonly heap: { readonly dueMs: number; readonly order: number; readonly item: T }[] = [];
  private pushed = 0;

  get nextMs(): number | undefined {
    return this.heap[0]?.dueMs;
  }

  push(dueMs: number, item: T): void {
    const { heap } = this;
    let at = heap.length;
    heap.push({ dueMs, order: this.pushed++, item });
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.before(at, parent)) break;
      this.swap(at, parent);
      at = parent;
    }
  }

  /** The earliest item if it is due by `nowMs`. */
  pop(nowMs: number): T | undefined {
    const { heap } = this;
    const top = heap[0];
    if (top === undefined || top.dueMs > nowMs) return undefined;
    const last = heap.pop();
    if (heap.length > 0 && last !== undefined) {
      heap[0] = last;
      let at = 0;
      for (;;) {
        let least = at;
        for (const child of [2 * at + 1, 2 * at + 2]) {
          if (child < heap.length && this.before(child, least)) least = child;
        }
        if (least === at) break;
        this.swap(at, least);
        at = least;
      }
    }
    return top.item;
  }

  clear(): void {
    this.heap.length = 0;
  }

  private before(a: number, b: number): boolean {
    const left = this.heap[a];
    const right = this.heap[b];
    if (left === undefined || right === undefined) return false;
    return left.dueMs < right.dueMs || (left.dueMs === right.dueMs && left.order < right.order);
  }

  private swap(a: number, b: number): void {
    const left = this.heap[a];
    const right = this.heap[b];
    if (left === undefined || right === undefined) return;
    this.heap[a] = right;
    this.heap[b] = left;
  }
}
