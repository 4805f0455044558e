/** What was broken: an invariant of invariants.md, or what any system owes its users beside them. */
export type Invariant =
  | 'I1'
  | 'I2'
  | 'I3'
  | 'I4'
  | 'I5'
  | 'I6'
  | 'I7'
  | 'I8'
  | 'I9'
  | 'I10'
  | 'I11'
  | 'I12'
  | 'I13'
  | 'I14'
  /** A client that was never answered, a cluster that did not come back. */
  | 'liveness'
  /** A machine met its own bug, or raised an alarm without a cause. */
  | 'sound'
  /** The run showed nothing: too few operations succeeded, or nothing went wrong. */
  | 'vacuous';

export interface Violation {
  readonly invariant: Invariant;
  readonly atMs: number;
  /** One line for a person. */
  readonly what: string;
}
