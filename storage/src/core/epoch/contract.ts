import type { EpochMessage } from '@circlet/shared/protocol/epoch.ts';
import type { Topology } from '@circlet/shared/ring/topology.ts';
import type { VoteStore } from './acceptor.ts';

export interface EpochChoiceOptions {
  readonly store: VoteStore;
  readonly self: string;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export interface Letter {
  readonly to: string;
  readonly message: EpochMessage;
}

export interface Outcome {
  readonly letters: readonly Letter[];
  /** The document of the next epoch: to be adopted in this turn. */
  readonly chosen: Topology | undefined;
}

/**
 * - `behind`: an acceptor of an earlier epoch asks, and is owed our topology.
 * - `ahead`, `other_topology`: the sender acts on a topology that is not ours; it is to be asked for it.
 * - `abstained`: this node has no vote, or no room on its disk to keep one.
 * - `stranger`: the sender has no part in this choice.
 * - `late`: about something that is over.
 */
export type Verdict = 'taken' | 'late' | 'behind' | 'ahead' | 'other_topology' | 'stranger' | 'abstained';

export type Refusal = 'no_topology' | 'not_a_voter' | 'read_only' | 'running' | { readonly unsound: string };

/** `overtaken`: the epoch after the proposed one was learnt, which does not tell what came before it. */
export type ProposalStatus = 'none' | 'running' | 'won' | 'another_won' | 'overtaken';
