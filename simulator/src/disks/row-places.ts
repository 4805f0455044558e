/**
 * Where in a closed SQLite file the blobs of a table lie (sqlite.org/fileformat2.html, section 1.6). The tree is walked
 * from its root because a search for a blob's bytes also finds what page splits and the freelist left behind.
 */
export interface RowPlace {
  readonly prefix: number;
  readonly start: number;
  readonly end: number;
}

const INTERIOR = 0x05;
const LEAF = 0x0d;

/** In the order of their prefixes. A blob that goes on in overflow pages is not there as a whole: its checksum tells. */
export function rowPlaces(file: Buffer, rootPage: number): readonly RowPlace[] {
  const pageSize = file.readUInt16BE(16) === 1 ? 65_536 : file.readUInt16BE(16);
  const start = (rootPage - 1) * pageSize;
  const page = file.subarray(start, start + pageSize);
  const kind = page.readUInt8(0);
  if (kind !== INTERIOR && kind !== LEAF) throw new Error(`page ${rootPage} is no page of a table`);
  const cells = Array.from({ length: page.readUInt16BE(3) }, (_, i) =>
    page.readUInt16BE((kind === LEAF ? 8 : 12) + 2 * i),
  );
  if (kind === LEAF) return cells.map((cell) => placeOf(page, start, cell));
  const children = [...cells.map((cell) => page.readUInt32BE(cell)), page.readUInt32BE(8)];
  return children.flatMap((child) => rowPlaces(file, child));
}

/** A cell is the payload's length, the row id and the payload: a header, whose first byte is its length, and the blob. */
function placeOf(page: Buffer, pageStart: number, cell: number): RowPlace {
  const length = varint(page, cell);
  const prefix = varint(page, length.end);
  const payload = pageStart + prefix.end;
  const start = payload + page.readUInt8(prefix.end);
  return { prefix: prefix.value, start, end: payload + length.value };
}

/** Seven bits a byte, the high ones first. Lengths and prefixes stay below 2^53, so no ninth byte occurs. */
function varint(page: Buffer, at: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let end = at; ; end++) {
    const byte = page.readUInt8(end);
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return { value, end: end + 1 };
  }
}
