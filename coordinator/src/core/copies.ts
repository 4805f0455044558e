import type { PreferenceList } from '@circlet/shared/ring/preference-list.ts';
import type { Tally } from './quorum.ts';

/**
 * How the copies of a write count: by slot. An owner and those who stood in for it are one copy, because their hints go
 * when the owner has it. Counted by node, W would be met by copies that are about to become one.
 */
export interface Copy {
  /** Of the vnode: the node's own, or that of the node it stands in for. */
  readonly slot: number;
  /** Which of the two nodes that a slot has while it moves. */
  readonly half: 'owner' | 'second';
  /** With a fallback, that owes it to them. */
  readonly isHint: boolean;
  /**
   * With a member that is refilled. Some may not have heard yet that it is, and read the disk that it had: until all other
   * owners have, which they have when it is full again, it counts as a fallback does.
   */
  readonly isRefilling?: boolean;
  status: 'idle' | 'open' | 'acked' | 'failed';
}

type Nodes = Pick<PreferenceList, 'owners' | 'seconds'>;

export function tallyOf(copies: readonly Copy[], nodes: Nodes): Tally {
  const tally = { owners: 0, others: 0, ownersOpen: 0, othersOpen: 0 };
  for (let slot = 0; slot < nodes.owners.length; slot++) {
    const standing = standingOf(slot, copies, nodes.seconds[slot] !== undefined);
    if (standing !== undefined) tally[standing]++;
  }
  return tally;
}

/** Nobody reads a slot that is being added, so its copy is no part of what a quorum of readers must meet. */
export function isCounted(slot: number, { owners }: Nodes): boolean {
  return slot < owners.length;
}

/** As what a slot counts. */
type Standing = keyof Tally;

/**
 * Not everybody learns of the next step of a move at once: some read one of the slot's nodes while others read the other one.
 * So the slot has the write when both have it (protocol.md, rules 10 and 13).
 */
function standingOf(slot: number, copies: readonly Copy[], isMoving: boolean): Standing | undefined {
  const owner = bestOf(slot, 'owner', copies);
  if (!isMoving) return owner;
  const second = bestOf(slot, 'second', copies);
  if (owner === second) return owner;
  if (owner === undefined || second === undefined) return undefined;
  if (!isOpen(owner) && !isOpen(second)) return 'others';
  return isOfOwner(owner) && isOfOwner(second) ? 'ownersOpen' : 'othersOpen';
}

const isOpen = (standing: Standing) => standing === 'ownersOpen' || standing === 'othersOpen';
const isOfOwner = (standing: Standing) => standing === 'owners' || standing === 'ownersOpen';

const isOwned = ({ isHint, isRefilling }: Copy) => !isHint && isRefilling !== true;

/** What is best known of the copies for one node. */
function bestOf(slot: number, half: Copy['half'], copies: readonly Copy[]): Standing | undefined {
  let best: Standing | undefined;
  for (const copy of copies) {
    if (copy.slot !== slot || copy.half !== half) continue;
    if (copy.status === 'acked') {
      if (isOwned(copy)) return 'owners';
      best = 'others';
    } else if (copy.status !== 'failed' && best !== 'others') {
      best = isOwned(copy) || best === 'ownersOpen' ? 'ownersOpen' : 'othersOpen';
    }
  }
  return best;
}
