import { nameFault } from '../client/names.ts';
import { usageFailure } from '../failure.ts';

/** Refuses names that the cluster would refuse, and gives the pair as people say it. */
export function checkedName(bucket: string, key: string): string {
  const fault = nameFault('bucket', bucket) ?? nameFault('key', key);
  if (fault !== undefined) throw usageFailure(`${fault}. Give another.`);
  return `${bucket}/${key}`;
}
