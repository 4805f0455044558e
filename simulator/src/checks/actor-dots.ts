import type { History } from '@circlet/shared/causality/history.ts';
import { Bits } from './bits.ts';

/** Which write each dot of one key stands for, as the disks show it: the outside view of what a history covers. */
export class ActorDots {
  private readonly actors = new Map<string, Issued>();

  /** The write that the dot stood for already; undefined when it is new. */
  learn(actor: string, counter: number, write: number): number | undefined {
    let issued = this.actors.get(actor);
    if (issued === undefined) {
      issued = { writes: [], covers: [] };
      this.actors.set(actor, issued);
    }
    const known = issued.writes[counter - 1];
    if (known !== undefined && known >= 0) return known;
    // A gap: those dots have not been seen on any disk.
    while (issued.writes.length < counter) {
      issued.writes.push(-1);
      issued.covers.push(issued.covers.at(-1) ?? new Bits());
    }
    issued.writes[counter - 1] = write;
    for (let i = counter - 1; i < issued.covers.length; i++) {
      issued.covers[i] = (issued.covers[i] ?? new Bits()).copy().add(write);
    }
    return undefined;
  }

  /** All writes of which a dot is in the history, and how many of its dots nobody has issued. */
  coverOf({ actors, ranges }: History): { readonly writes: Bits; readonly unissued: number } {
    const writes = new Bits();
    let unissued = 0;
    for (const [i, actor] of actors.entries()) {
      const of = ranges[i] ?? [];
      const issued = this.actors.get(actor);
      for (let at = 0; at < of.length; at += 2) {
        unissued += collect(issued, of[at] ?? 0, of[at + 1] ?? 0, writes);
      }
    }
    return { writes, unissued };
  }
}

interface Issued {
  /** By counter less one; -1 for a dot not seen. */
  readonly writes: number[];
  /** The writes of the first so many dots together: a history is nearly always all dots up to one. */
  readonly covers: Bits[];
}

/** Adds what the dots from `first` to `last` stand for, and counts those that stand for nothing. */
function collect(issued: Issued | undefined, first: number, last: number, writes: Bits): number {
  if (issued === undefined) return last - first + 1;
  const known = Math.min(last, issued.writes.length);
  if (first === 1 && known > 0) {
    const cover = issued.covers[known - 1];
    if (cover !== undefined) writes.addAll(cover);
  } else {
    for (let counter = first; counter <= known; counter++) {
      const write = issued.writes[counter - 1] ?? -1;
      if (write >= 0) writes.add(write);
    }
  }
  return last - Math.max(known, first - 1);
}
