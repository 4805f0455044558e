import { BUCKET_BYTES_MAX, KEY_BYTES_MAX } from '@circlet/shared/protocol/limits.ts';
import * as z from 'zod';
import {
  type AnswerDoc,
  type Content,
  HEADERS,
  type HeaderName,
  NAMED_SCHEMAS,
  OPERATION_DOCS,
  type OperationDoc,
} from './openapi-operations.ts';
import type { ClusterView } from './port.ts';
import { type ProblemCode, PROBLEMS, problemSchema } from './problems.ts';
import { rulesOf } from './quorum-params.ts';
import { jsonReply, type Reply } from './reply.ts';
import { type Route, ROUTES } from './routes.ts';

/** `GET /openapi.json`: OpenAPI 3.1, made from the route table and the schemas that validate, so it cannot lag behind. */
export class OpenApi {
  private readonly view: ClusterView;
  private made: { readonly replicas: number; readonly reply: Reply } | undefined;

  constructor(view: ClusterView) {
    this.view = view;
  }

  /** Which quorum values are valid depends on N. */
  document(): Reply {
    const { replicas, version } = this.view;
    if (this.made?.replicas !== replicas)
      this.made = { replicas, reply: jsonReply(200, openApiDocument(replicas, version)) };
    return this.made.reply;
  }
}

type Json = Record<string, unknown>;

export function openApiDocument(replicas: number, version: string): Json {
  const paths: Record<string, Json> = {};
  for (const route of ROUTES) {
    const item = (paths[route.path] ??= {});
    item[route.method.toLowerCase()] = operation(route, OPERATION_DOCS[route.id], replicas);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Circlet',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'A Dynamo-style replicated key-value store: it keeps accepting writes while machines fail, keeps concurrent values side by side, and never silently drops a write that it acknowledged.',
    },
    paths,
    components: { schemas: namedSchemas() },
  };
}

function operation(route: Route, doc: OperationDoc, replicas: number): Json {
  const { tag, summary, description, requestBody } = doc;
  return {
    operationId: route.id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    parameters: [
      ...keyParameters(route),
      ...queryParameters(doc, replicas),
      ...headerParameters(doc.requestHeaders ?? []),
    ],
    ...(requestBody === undefined
      ? {}
      : { requestBody: { required: true, content: contentOf(requestBody) } }),
    responses: responsesOf(doc),
  };
}

function keyParameters({ path }: Route): readonly Json[] {
  const bounds: Record<string, number> = { bucket: BUCKET_BYTES_MAX, key: KEY_BYTES_MAX };
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    description: `Percent-encoded UTF-8, 1 to ${bounds[name]} bytes, byte-exact; no NUL, not "." or "..".`,
    schema: { type: 'string', minLength: 1 },
  }));
}

function queryParameters({ query }: OperationDoc, replicas: number): readonly Json[] {
  if (query === undefined) return [];
  const { shape } = rulesOf(replicas)[query];
  return Object.entries(shape).map(([name, type]) => {
    const { description, ...schema } = jsonSchema(type);
    return { name, in: 'query', required: false, description, schema };
  });
}

function headerParameters(names: readonly HeaderName[]): readonly Json[] {
  return (
    names
      // OpenAPI describes these two by the content types of bodies.
      .filter((name) => name !== 'Content-Type' && name !== 'Accept')
      .map((name) => ({
        name,
        in: 'header',
        required: false,
        description: HEADERS[name],
        schema: { type: 'string' },
      }))
  );
}

function responsesOf({ answers, problems }: OperationDoc): Json {
  const responses: Json = {};
  for (const [status, answer] of Object.entries(answers)) responses[status] = response(answer);
  for (const [status, codes] of Object.entries(byStatus(problems)))
    responses[status] = problemResponse(codes);
  return responses;
}

function response({ description, headers = [], content }: AnswerDoc): Json {
  return {
    description,
    ...(headers.length === 0 ? {} : { headers: headerObjects(headers) }),
    ...(content === undefined ? {} : { content: contentOf(content) }),
  };
}

function byStatus(codes: readonly ProblemCode[]): Record<string, ProblemCode[]> {
  const statuses: Record<string, ProblemCode[]> = {};
  for (const code of codes) {
    (statuses[PROBLEMS[code].status] ??= []).push(code);
    // 429 promises that nothing happened; where that is not known it is a 503.
    if (code === 'overloaded') (statuses[503] ??= []).push(code);
  }
  return statuses;
}

function problemResponse(codes: readonly ProblemCode[]): Json {
  return {
    description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join(' '),
    ...(codes.includes('overloaded') ? { headers: headerObjects(['Retry-After']) } : {}),
    content: { 'application/problem+json': { schema: jsonSchema(problemSchema) } },
  };
}

function headerObjects(names: readonly HeaderName[]): Json {
  return Object.fromEntries(
    names.map((name) => [name, { description: HEADERS[name], schema: { type: 'string' } }]),
  );
}

function contentOf(content: Content): Json {
  if (content === 'bytes') return { '*/*': {} };
  if (content === 'siblings') {
    return { 'multipart/mixed': {}, 'application/json': { schema: { $ref: refOf('Siblings') } } };
  }
  return { 'application/json': { schema: jsonSchema(content) } };
}

/** A reference where the schema has a name; otherwise the schema. */
function jsonSchema(type: z.ZodType): Json {
  const name = NAMED_SCHEMAS.find((named) => named === type)?.meta()?.id;
  if (name !== undefined) return { $ref: refOf(name) };
  const { $schema: _, ...schema } = z.toJSONSchema(type, { override: plainly }) as Json;
  return schema;
}

function namedSchemas(): Json {
  const registry = z.registry<{ id: string }>();
  for (const type of NAMED_SCHEMAS) registry.add(type, { id: type.meta()?.id ?? '' });
  const { schemas } = z.toJSONSchema(registry, { uri: refOf, override: plainly });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => {
      const { $schema: _schema, $id: _id, ...rest } = schema as Json;
      return [name, rest];
    }),
  );
}

/** Answers may gain fields, so only what validates requests is closed; and the bounds of every integer go without saying. */
function plainly({
  zodSchema,
  jsonSchema: made,
}: {
  zodSchema: z.core.$ZodTypes;
  jsonSchema: z.core.JSONSchema.BaseSchema;
}): void {
  const { def } = zodSchema._zod;
  if (def.type === 'object' && def.catchall === undefined) delete made.additionalProperties;
  if (made.minimum === Number.MIN_SAFE_INTEGER) delete made.minimum;
  if (made.maximum === Number.MAX_SAFE_INTEGER) delete made.maximum;
}

function refOf(name: string): string {
  return `#/components/schemas/${name}`;
}
