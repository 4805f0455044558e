import { NODE_NAME } from '@circlet/shared/causality/dot.ts';
import { CHANGED_MAX } from '@circlet/shared/protocol/change.ts';
import { WEIGHT_MAX } from '@circlet/shared/ring/topology.ts';
import * as z from 'zod';

/** The JSON of the admin listener. */
const name = z.string().regex(NODE_NAME);
const names = z
  .array(name)
  .min(1)
  .max(CHANGED_MAX)
  .refine((given) => new Set(given).size === given.length);

export const changeSchema = z.discriminatedUnion('verb', [
  z.strictObject({ verb: z.literal(['join', 'leave']), names }),
  z.strictObject({ verb: z.literal('replace'), names: names.length(2) }),
  z.strictObject({
    verb: z.literal('weight'),
    names: names.length(1),
    weight: z.int().min(1).max(WEIGHT_MAX),
  }),
  z.strictObject({ verb: z.literal('cancel') }),
]);

const transferSchema = z.object({
  /** Null where one more copy is made, which any owner can give. */
  from: z.string().nullable(),
  to: z.string(),
  vnodes: z.int(),
  /** Estimated. Null when no source has said how much it has. */
  bytes: z.int().nullable(),
});

export const planSchema = z.object({
  status: z.literal('planned'),
  digest: z.string(),
  epoch: z.int(),
  transfers: z.array(transferSchema),
});

export const progressSchema = z.object({
  status: z.enum(['proposed', 'chosen']),
  digest: z.string(),
  epoch: z.int().optional(),
});

export const moveSchema = z.object({
  epoch: z.int(),
  phase: z.enum(['filling', 'switching', 'refilling']).nullable(),
  transfers: z.array(transferSchema),
  nodes: z.array(
    z.object({
      name: z.string(),
      status: z.enum(['alive', 'suspect', 'down']),
      left: z.int().nullable(),
      of: z.int().nullable(),
      bytes: z.int().nullable(),
    }),
  ),
});

export type TransferFigures = z.infer<typeof transferSchema>;
