import { crc32 } from 'node:zlib';

/** A running hash of everything that happened: two runs of one seed must end with the same one (FNV-1a, twice). */
export class Trace {
  events = 0;
  private a = 0x811c9dc5;
  private b = 0x01000193;

  add(atMs: number, what: string, bytes?: Uint8Array): void {
    this.events++;
    this.mix(Math.floor(atMs * 1e6) >>> 0);
    for (let i = 0; i < what.length; i++) this.mix(what.charCodeAt(i));
    // Every byte counts, hashed natively: frames are most of what happens.
    if (bytes !== undefined) this.mix(crc32(bytes));
  }

  get digest(): string {
    return [this.a, this.b].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  private mix(value: number): void {
    this.a = Math.imul(this.a ^ value, 0x01000193);
    this.b = Math.imul(this.b ^ value, 0x85ebca6b) ^ (this.b >>> 15);
  }
}
