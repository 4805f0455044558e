import { expect, test } from 'vitest';
import { formatTable } from './table.ts';

const columns = [
  { title: 'NAME', value: (row: { name: string; count: number }) => row.name },
  {
    title: 'COUNT',
    value: (row: { name: string; count: number }) => String(row.count),
    align: 'right' as const,
  },
];

test('columns are as wide as their widest cell, and lines have no blanks at the end', () => {
  expect(
    formatTable(columns, [
      { name: 'storage-0', count: 7 },
      { name: 'Zürich', count: 123_456 },
    ]),
  ).toBe('NAME        COUNT\nstorage-0       7\nZürich     123456\n');
  expect(formatTable([...columns].toReversed(), [{ name: 'a', count: 1 }])).toBe('COUNT  NAME\n    1  a\n');
});

test('without rows the titles remain', () => {
  expect(formatTable(columns, [])).toBe('NAME  COUNT\n');
});

test('a cell cannot move the cursor, break the line or reverse the text', () => {
  expect(formatTable(columns, [{ name: 'a\u001b[2J\nb\u202e', count: 1 }])).toContain(
    String.raw`a\u{1b}[2J\u{a}b\u{202e}`,
  );
});

test('colours do not count as width', () => {
  const painted = [
    { ...columns[0], title: 'NAME', value: () => 'ab', paint: (cell: string) => `<red>${cell}</red>` },
    ...columns.slice(1),
  ];
  expect(formatTable(painted, [{ name: '', count: 5 }])).toBe('NAME  COUNT\n<red>ab  </red>      5\n');
});
