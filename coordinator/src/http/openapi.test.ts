import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { testApp } from './app.case.ts';
import { OPERATION_DOCS } from './openapi-operations.ts';
import { openApiDocument } from './openapi.ts';
import { PROBLEMS } from './problems.ts';
import { objectParams, rulesOf } from './quorum-params.ts';
import { patternOf, type RouteId, ROUTES } from './routes.ts';

const parameterSchema = z.object({
  name: z.string(),
  in: z.enum(['path', 'query', 'header']),
  required: z.boolean(),
  schema: z.looseObject({}),
});
const operationSchema = z.object({
  operationId: z.string(),
  summary: z.string(),
  parameters: z.array(parameterSchema),
  responses: z.record(
    z.string().regex(/^[1-5]\d\d$/),
    z.object({ description: z.string().min(1), content: z.looseObject({}).optional() }),
  ),
});
const documentSchema = z.object({
  openapi: z.literal('3.1.0'),
  info: z.object({ title: z.string(), version: z.string() }),
  paths: z.record(
    z.string().startsWith('/'),
    z.partialRecord(z.enum(['get', 'head', 'put', 'post', 'delete']), operationSchema),
  ),
  components: z.object({ schemas: z.record(z.string(), z.looseObject({})) }),
});

const document = documentSchema.parse(openApiDocument(3, '1.2.3'));
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({
    path,
    method,
    operation: operationSchema.parse(operation),
  })),
);

function docOf(operationId: string) {
  const id: RouteId | undefined = ROUTES.find((route) => route.id === operationId)?.id;
  return OPERATION_DOCS[id ?? 'live'];
}

function refsIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, each]) => (name === '$ref' ? [String(each)] : refsIn(each)));
}

/** Values that a schema says are taken, and some that it says are not. */
function samplesOf(schema: unknown): {
  taken: readonly (string | number)[];
  refused: readonly (string | number)[];
} {
  const listed = z.object({ enum: z.array(z.string()) }).safeParse(schema);
  if (listed.success) return { taken: listed.data.enum, refused: ['nonsense', '', 'QUORUM', '8'] };
  const { minimum, maximum } = z.object({ minimum: z.number(), maximum: z.number() }).parse(schema);
  return { taken: [minimum, maximum], refused: ['nonsense', minimum - 1, maximum + 1] };
}

describe('the document', () => {
  it('is served, once for each N', async () => {
    const { app } = testApp();
    const first = await (await app.request('/openapi.json')).text();
    expect(JSON.parse(first)).toEqual(openApiDocument(3, '1.2.3'));
    expect(await (await app.request('/openapi.json')).text()).toBe(first);
  });

  it('describes every route of the application, and only those', () => {
    const { app } = testApp();
    const served = app.routes.map(({ method, path }) => `${method} ${path}`).toSorted();
    const described = ROUTES.filter(({ method }) => method !== 'HEAD').map(
      (route) => `${route.method} ${patternOf(route)}`,
    );
    expect(served).toEqual(described.toSorted());
    expect(operations.map(({ path, method }) => `${method.toUpperCase()} ${path}`).toSorted()).toEqual(
      ROUTES.map(({ method, path }) => `${method} ${path}`).toSorted(),
    );
  });

  it('has no reference that leads nowhere', () => {
    const refs = refsIn(document);
    expect(refs.length).toBeGreaterThan(10);
    for (const ref of refs) {
      const name = /^#\/components\/schemas\/(\w+)$/.exec(ref)?.[1] ?? '';
      expect(Object.keys(document.components.schemas)).toContain(name);
    }
    expect(refsIn(document.components).length).toBeGreaterThan(0);
  });

  it('names each operation once and declares what stands in its path', () => {
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length);
    for (const { path, operation } of operations) {
      const declared = operation.parameters.filter((each) => each.in === 'path');
      expect(declared.map(({ name }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/g) ?? []);
      expect(declared.every(({ required }) => required)).toBe(true);
    }
  });

  it('knows each problem code by its status', () => {
    for (const { operation } of operations) {
      const { problems } = docOf(operation.operationId);
      for (const code of problems) {
        const response = operation.responses[`${PROBLEMS[code].status}`];
        expect(response?.description).toContain(code);
        expect(response?.content).toHaveProperty(['application/problem+json']);
      }
    }
  });
});

describe('every query parameter in it', () => {
  it('is one that the same schema validates', () => {
    for (const { operation } of operations) {
      const { query } = docOf(operation.operationId);
      const names = operation.parameters.filter((each) => each.in === 'query').map(({ name }) => name);
      expect(names).toEqual(query === undefined ? [] : Object.keys(rulesOf(3)[query].shape));
    }
  });

  it('shows exactly the values that are taken', () => {
    const shown =
      operations.find(({ operation }) => operation.operationId === 'getObject')?.operation.parameters ?? [];
    for (const { name, schema } of shown.filter((each) => each.in === 'query')) {
      const { taken, refused } = samplesOf(schema);
      expect(taken.length).toBeGreaterThan(0);
      for (const value of taken) expect(() => objectParams(`${name}=${value}`, 3)).not.toThrow();
      for (const value of refused)
        expect(() => objectParams(`${name}=${value}`, 3)).toThrow('invalid_parameter');
    }
  });

  it('depends on N', () => {
    expect(JSON.stringify(openApiDocument(5, ''))).toContain('"5"');
    expect(JSON.stringify(openApiDocument(3, ''))).not.toContain('"5"');
  });
});
