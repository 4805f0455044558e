/**
 * Bytes that arrive in pieces, as one. A piece of a single byte costs a hundred as an object of its own, and a client may
 * send half a million of them; so pieces are copied together as they come, into a buffer at most twice their size. The
 * first is kept as it is: most bodies arrive in one.
 */
export class Gathered {
  length = 0;
  private bytes: Buffer = NOTHING;

  add(piece: Uint8Array): void {
    const needed = this.length + piece.length;
    if (this.length === 0) {
      this.bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
    } else {
      if (needed > this.bytes.length) this.grow(needed);
      this.bytes.set(piece, this.length);
    }
    this.length = needed;
  }

  whole(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  private grow(needed: number): void {
    const grown = Buffer.allocUnsafe(Math.max(needed, this.length * 2));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }
}

const NOTHING = Buffer.alloc(0);
