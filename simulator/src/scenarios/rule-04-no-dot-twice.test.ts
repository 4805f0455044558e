import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

describe('no dot is ever issued twice (law 3, rule 4)', () => {
  it('by a fallback that led, handed off, dropped its row and leads again', () => {
    const story = new Story({ seed: 1 });
    const { world, owners, D } = story;
    const away = () => {
      world.cut('p', owners);
      world.run(3_000);
    };
    away();
    story.written(story.put('p', 'X'));
    world.heal();
    world.run(3_000);
    story.untilDrained();
    expect(story.row(D, 'hints')).toBeUndefined();
    for (const owner of owners.slice(0, 1)) expect(story.holds(owner)).toEqual(['X']);

    away();
    story.written(story.put('p', 'Y'));
    const second = story.stateAt(D, 'hints')?.siblings[0]?.dots[0];
    expect(story.stateAt(story.A)?.history.actors).not.toContain(second?.actor);
    world.heal();
    world.run(3_000);
    story.untilDrained();
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(['X', 'Y']);
    expect(world.alarms).toEqual([]);
  });

  it('by an owner whose disk was put back to what it was yesterday', () => {
    const story = new Story({ seed: 2 });
    const { world, A } = story;
    const put = (value: string) => story.written(story.put('p', value));
    const values = ['1', '2', '3', '4', '5', '6', '7', '8'];
    values.slice(0, 4).forEach(put);
    const yesterday = world.backup(A);
    values.slice(4, 6).forEach(put);
    story.settle();
    world.crash(A);
    world.replaceDisk(A, yesterday);
    world.restart(A);
    world.run(3_000);
    values.slice(6).forEach(put);
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(values);
    story.settle();
    expect(story.ownersAgree()).toBe(true);
    expect(world.alarms).toEqual([]);
  });

  it('by an owner whose row cannot be read', () => {
    const story = new Story({ seed: 3 });
    const { world, A } = story;
    story.written(story.put('p', 'X'));
    story.settle();
    story.damage(A);
    story.written(story.put('p', 'Y'));
    expect(story.stateAt(A)?.siblings).toHaveLength(1);
    expect(story.found(story.get('q')).values).toEqual(['X', 'Y']);
    story.untilHealable();
    story.found(story.get('q'));
    story.settle();
    expect(story.found(story.get('p', { r: 3 })).values).toEqual(['X', 'Y']);
    expect(world.alarms.map(({ notice }) => notice.event)).not.toContain('dot_issued_twice');
  });

  it('but a lead extends its own actor while its row is whole: histories stay short', () => {
    const story = new Story({ seed: 4 });
    let context = story.written(story.put('p', '0'));
    for (let i = 1; i < 50; i++) context = story.written(story.put('p', String(i), { context }));
    expect(story.stateAt(story.A)?.history.actors).toHaveLength(1);
    expect(story.found(story.get('q')).values).toEqual(['49']);
  });
});
