import { describe, expect, it } from 'vitest';
import { MemoryStore } from './memory-store.ts';
import { copyOf } from './one-key.case.ts';
import { fresh, readyNet } from './pods.case.ts';
import { FIVE, KEY, lead } from './requests.case.ts';
import { diskOf } from './ring.case.ts';
import { storeWith } from './pods.case.ts';

/** As SQLite on a full disk: whatever changes a page throws. */
class FullStore extends MemoryStore {
  override delete(...args: Parameters<MemoryStore['delete']>): void {
    if (this.readOnly) throw new Error('database or disk is full');
    super.delete(...args);
  }
}

/**
 * ADVERSARY. A holder whose disk is full goes on offering hints, and each acknowledgement makes it delete. That throws after a
 * mutation, so the machine is discarded: a new life each second, with a wait for its echo, and the reads that a read-only
 * pod is kept for (rule 20) are refused as `wrong_boot` and `not_ready`.
 */
describe('a holder of hints whose disk is full', () => {
  it('does not throw when its hints are acknowledged', () => {
    const net = readyNet(FIVE, {}, ['b', 'c', 'd', 'e']);
    net.stop('e');
    const store = new FullStore(diskOf('e'));
    const e = net.start('e', { store: storeWith('e', FIVE, store) });
    net.run(3_000);
    net.ask(e, { ...lead(net, copyOf(1), { owedSlots: 1 }), ...fresh(net), key: KEY });
    store.readOnly = true;
    net.start('a', { store: storeWith('a', FIVE) });
    expect(() => net.run(10_000)).not.toThrow();
  });
});
