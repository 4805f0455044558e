import type { Violation } from '../checks/violation.ts';
import type { FaultName } from './plan.ts';

/** What came of a plan. The same plan and the same commit give the same outcome, trace included. */
export interface Outcome {
  readonly seed: number;
  /** A hash of everything that happened, 16 hex digits. */
  readonly trace: string;
  readonly violations: readonly Violation[];
  /** Operations that clients began. */
  readonly operations: number;
  /** Of those, how many did what was asked. */
  readonly succeeded: number;
  /** How often each answer was given. */
  readonly answered: Readonly<Record<string, number>>;
  /** Faults that took effect, by kind. */
  readonly faults: Readonly<Partial<Record<FaultName, number>>>;
  readonly virtualMs: number;
  /** From the end of all faults until every owner had what every other had, virtual milliseconds. */
  readonly convergedMs: number;
  /** Acknowledged writes that are not there at the end, and only writes of unknown outcome say why. */
  readonly excusedByUnknown: number;
}
