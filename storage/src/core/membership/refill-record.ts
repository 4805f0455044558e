import { nodeName } from '@circlet/shared/causality/dot.ts';
import { Reader, Writer } from '@circlet/shared/codec/bytes.ts';
import { list, struct, varint } from '@circlet/shared/codec/schema.ts';
import { NODES_MAX } from '@circlet/shared/protocol/limits.ts';
import { VNODES_MAX } from '@circlet/shared/ring/position.ts';
import { diskId } from '@circlet/shared/ring/topology.ts';
import type { Store } from '../store.ts';

/**
 * Whose rows of which vnodes are all here, in the store: a refill that dies goes on with the next vnode. By the disk and not
 * by the name alone: what another disk has under that name is to be asked for again.
 */
export class RefillRecord {
  private readonly store: Store;
  private readonly done = new Map<string, Set<number>>();

  constructor(store: Store) {
    this.store = store;
    const stored = store.readMeta(RECORD);
    if (stored === undefined || stored.length === 0) return;
    for (const { name, disk, vnodes } of record.read(new Reader(stored)))
      this.done.set(sourceOf(name, disk), new Set(vnodes));
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
    record.write(
      writer,
      [...this.done].map(([of, all]) => {
        const [owner = '', its = ''] = of.split('/');
        return { name: owner, disk: its, vnodes: [...all] };
      }),
    );
    this.store.writeMeta(RECORD, writer.finish());
  }
}

function sourceOf(name: string, disk: string): string {
  return `${name}/${disk}`;
}

const RECORD = 'refill';
const record = list(struct({ name: nodeName, disk: diskId, vnodes: list(varint, VNODES_MAX) }), NODES_MAX);
