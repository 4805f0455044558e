/** Whether several values are wanted as JSON: it is named, and `multipart/mixed` is not named with more weight. */
export function prefersJson(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  const json = weightOf(accept, 'application/json');
  return json > 0 && json >= weightOf(accept, 'multipart/mixed');
}

function weightOf(accept: string, type: string): number {
  for (const range of accept.split(',')) {
    const [name, ...parameters] = range.split(';').map((each) => each.trim().toLowerCase());
    if (name !== type) continue;
    const q = parameters.find((parameter) => parameter.startsWith('q='));
    return q === undefined ? 1 : Number(q.slice(2)) || 0;
  }
  return 0;
}
