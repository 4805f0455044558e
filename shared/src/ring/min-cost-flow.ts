/**
 * Minimum-cost maximum flow: push as many units as fit from a source to a sink, as cheaply as possible.
 *
 * Primal-dual method. A round measures the cheapest cost to every vertex, then sends all that can travel at that
 * cost (in Dinic's layers), so there are as many rounds as different path costs and not one per unit. Nothing
 * recurses: a path may be as long as the network.
 *
 * Everything is visited in the order it was added: networks built alike carry the same flow.
 */

export interface Vertex {
  readonly arcs: Arc[];
  /** Least cost of a unit from the source to here. */
  distance: number;
  /** Fewest arcs from the source to here at that cost. */
  hops: number;
  /** Index of the first arc not yet exhausted in the current layers. */
  next: number;
}

export class Arc {
  readonly to: Vertex;
  readonly cost: number;
  /** This arc walked backwards: its room is what this one carries, and undoing a unit refunds its cost. */
  readonly back: Arc;
  /** Units that still fit. */
  room: number;

  constructor(from: Vertex, to: Vertex, capacity: number, cost: number, forth?: Arc) {
    this.to = to;
    this.cost = cost;
    this.room = capacity;
    this.back = forth ?? new Arc(to, from, 0, -cost, this);
    from.arcs.push(this);
  }

  get carried(): number {
    return this.back.room;
  }
}

export class FlowNetwork {
  readonly #vertices: Vertex[] = [];

  vertex(): Vertex {
    const vertex: Vertex = { arcs: [], distance: 0, hops: 0, next: 0 };
    this.#vertices.push(vertex);
    return vertex;
  }

  /** `capacity` in whole units. `cost` of a unit, whole and not negative: no cycle may pay for itself. */
  connect(from: Vertex, to: Vertex, capacity: number, cost: number): Arc {
    return new Arc(from, to, capacity, cost);
  }

  /**
   * Answers the units sent. A second call with another source keeps every unit the first source sent, though it
   * may reroute them, and the sum of both costs is the least possible.
   */
  maximise(source: Vertex, sink: Vertex): number {
    let sent = 0;
    while (this.#measure(source, sink)) {
      while (this.#layer(source, sink)) sent += sendThroughLayers(source, sink);
    }
    return sent;
  }

  /** Sets every `distance`; false when no more flow reaches the sink. */
  #measure(source: Vertex, sink: Vertex): boolean {
    for (const vertex of this.#vertices) vertex.distance = Infinity;
    source.distance = 0;
    // Bellman-Ford: backward arcs have negative costs.
    let frontier = new Set([source]);
    while (frontier.size > 0) {
      const improved = new Set<Vertex>();
      for (const from of frontier) {
        for (const arc of from.arcs) {
          const distance = from.distance + arc.cost;
          if (arc.room === 0 || distance >= arc.to.distance) continue;
          arc.to.distance = distance;
          improved.add(arc.to);
        }
      }
      frontier = improved;
    }
    return sink.distance < Infinity;
  }

  /** Sets every `hops`; false when nothing more fits at the current distances. */
  #layer(source: Vertex, sink: Vertex): boolean {
    for (const vertex of this.#vertices) {
      vertex.hops = Infinity;
      vertex.next = 0;
    }
    source.hops = 0;
    const reached = [source];
    for (const from of reached) {
      for (const arc of from.arcs) {
        if (!isCheapest(from, arc) || arc.to.hops < Infinity) continue;
        arc.to.hops = from.hops + 1;
        reached.push(arc.to);
      }
    }
    return sink.hops < Infinity;
  }
}

function isCheapest(from: Vertex, arc: Arc): boolean {
  return arc.room > 0 && arc.to.distance === from.distance + arc.cost;
}

function sendThroughLayers(source: Vertex, sink: Vertex): number {
  let sent = 0;
  let path: Arc[] = [];
  let at = source;
  for (;;) {
    if (at === sink) {
      for (const arc of path) {
        arc.room -= 1;
        arc.back.room += 1;
      }
      sent += 1;
      path = [];
      at = source;
    }
    const arc = at.arcs[at.next];
    if (arc === undefined) {
      const deadEnd = path.pop();
      if (deadEnd === undefined) return sent;
      at = deadEnd.back.to;
      at.next += 1;
    } else if (isCheapest(at, arc) && arc.to.hops === at.hops + 1) {
      path.push(arc);
      at = arc.to;
    } else {
      at.next += 1;
    }
  }
}
