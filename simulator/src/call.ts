import type { Answer, ClientRequest } from '@circlet/coordinator/core/client.ts';

/** A client's request under way, or answered. */
export class Call {
  readonly coordinator: string;
  readonly request: ClientRequest;
  readonly askedMs: number;
  answer: Answer | undefined;
  answeredMs: number | undefined;
  private readonly answered: (call: Call) => void;

  constructor(
    coordinator: string,
    request: ClientRequest,
    askedMs: number,
    answered: (call: Call) => void = () => undefined,
  ) {
    this.answered = answered;
    this.coordinator = coordinator;
    this.request = request;
    this.askedMs = askedMs;
  }

  end(answer: Answer, atMs: number): void {
    this.answer = answer;
    this.answeredMs = atMs;
    this.answered(this);
  }

  get isOver(): boolean {
    return this.answer !== undefined;
  }

  /** How long the client waited. */
  get tookMs(): number {
    return (this.answeredMs ?? Number.POSITIVE_INFINITY) - this.askedMs;
  }
}
