/** A time that no date can express, from a coordinator whose clock was absurd, becomes the earliest one. */
export function dateOf(writtenAtMs: number): Date {
  const date = new Date(writtenAtMs);
  return Number.isNaN(date.getTime()) ? new Date(0) : date;
}

export function httpDate(writtenAtMs: number): string {
  return dateOf(writtenAtMs).toUTCString();
}
