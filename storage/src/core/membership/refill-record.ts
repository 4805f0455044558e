import { nodeName } from '@circlet/shared/causality/dot.ts';
import { Reader, Writer } from '@circlet/shared/codec/bytes.ts';
import { ascii, list, struct, varint } from '@circlet/shared/codec/schema.ts';
import { NODES_MAX } from '@circlet/shared/protocol/limits.ts';
import { VNODES_MAX } from '@circlet/shared/ring/position.ts';
import { diskId } from '@circlet/shared/ring/topology.ts';
import type { Store } from '../store.ts';

/**
 * Whose rows of which vnodes are all here, in the store: a refill that dies goes on with the next vnode. By the disk and not
 * by the name alone: what another disk has under that name is to be asked for again. And by its scope: what was done for an
 * earlier move says nothing of this one.
 */
export class RefillRecord {
  private readonly store: Store;
  private readonly scope: string;
  private readonly done = new Map<string, Set<number>>();

  constructor(store: Store, scope: string) {
    this.store = store;
    this.scope = scope;
    const stored = store.readMeta(RECORD);
    if (stored === undefined || stored.length === 0) return;
    const { scope: of, sources } = record.read(new Reader(stored));
    if (of !== scope) return;
    for (const { name, disk, vnodes } of sources) this.done.set(sourceOf(name, disk), new Set(vnodes));
  }

  /** Nothing is being fetched: what was fetched once is not to be taken for what will have to be. */
  static clear(store: Store): void {
    const stored = store.readMeta(RECORD);
    if (stored !== undefined && stored.length > 0 && !store.readOnly)
      store.writeMeta(RECORD, new Uint8Array(0));
  }

  has(name: string, disk: string, vnode: number): boolean {
    return this.done.get(sourceOf(name, disk))?.has(vnode) ?? false;
  }

  add(name: string, disk: string, vnode: number): void {
    const source = sourceOf(name, disk);
    const vnodes = this.done.get(source) ?? new Set();
    vnodes.add(vnode);
    this.done.set(source, vnodes);
    const writer = new Writer();
    const sources = [...this.done].map(([of, all]) => {
      const [owner = '', its = ''] = of.split('/');
      return { name: owner, disk: its, vnodes: [...all] };
    });
    record.write(writer, { scope: this.scope, sources });
    this.store.writeMeta(RECORD, writer.finish());
  }
}

function sourceOf(name: string, disk: string): string {
  return `${name}/${disk}`;
}

const RECORD = 'refill';
const source = struct({ name: nodeName, disk: diskId, vnodes: list(varint, VNODES_MAX) });
const record = struct({ scope: ascii(40, /^[a-z0-9 ]+$/), sources: list(source, NODES_MAX) });
