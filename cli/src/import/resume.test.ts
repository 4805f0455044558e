import { expect, test } from 'vitest';
import { resumeCommand } from './resume.ts';

test('the command of the user, with what is settled to skip', () => {
  expect(resumeCommand(['import', 'b', 'my file.csv', '--key', 'id'], 12)).toBe(
    "circlet import b 'my file.csv' --key id --skip 12",
  );
});

test('an older --skip gives way', () => {
  expect(resumeCommand(['import', '--skip', '5', 'b', 'f', '--skip=6'], 9)).toBe(
    'circlet import b f --skip 9',
  );
});

test('with nothing to skip, it is the same command', () => {
  expect(resumeCommand(['import', 'b', "it's"], 0)).toBe(String.raw`circlet import b 'it'\''s'`);
  expect(resumeCommand(['import', 'b', '', '--skip', '3'], undefined)).toBe("circlet import b ''");
});
