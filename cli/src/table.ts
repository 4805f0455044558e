import { printable } from './human.ts';

/** Columns as kubectl prints them: capitals on top, two spaces between, no lines, numbers to the right. */
export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  readonly align?: 'right';
  /** Colours a padded cell; widths are measured without it. */
  readonly paint?: (cell: string, row: Row) => string;
}

const GAP = '  ';

export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const drawn = columns.map((column) => {
    const cells = rows.map((row) => printable(column.value(row)));
    const width = Math.max(column.title.length, ...cells.map(widthOf));
    const pad = (text: string): string => {
      const space = ' '.repeat(width - widthOf(text));
      return column.align === 'right' ? space + text : text + space;
    };
    return {
      title: pad(column.title),
      cells: rows.map((row, i) => {
        const cell = pad(cells[i] ?? '');
        return column.paint === undefined ? cell : column.paint(cell, row);
      }),
    };
  });
  const lines = [drawn.map((column) => column.title)];
  rows.forEach((_, i) => lines.push(drawn.map((column) => column.cells[i] ?? '')));
  return lines.map((cells) => `${cells.join(GAP).trimEnd()}\n`).join('');
}

const graphemes = new Intl.Segmenter('en');

/** What a reader takes for one character; that some are two cells wide would need a table of Unicode. */
function widthOf(text: string): number {
  return Array.from(graphemes.segment(text)).length;
}
