// Creates a run, follows it, loses the connection, goes on, and proves that nothing was missed.

import { randomUUID } from "node:crypto";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { createClient } from "@connectrpc/connect";
import { Connection } from "./connection.js";
import { follow } from "./follow.js";
import { RunsService } from "./gen/runwire/api/dispatch/v1/runs_pb.js";
import { type RunEvent, StreamService } from "./gen/runwire/api/stream/v1/stream_pb.js";
import { StreamMode } from "./gen/runwire/api/type/v1/run_pb.js";
import { refusalOf } from "./refusal.js";
import { describe } from "./words.js";

const { values: options } = parseArgs({
  options: {
    dispatch: { type: "string", default: "127.0.0.1:7402" },
    stream: { type: "string", default: "127.0.0.1:7403" },
    "reset-after": { type: "string", default: "5" }, // so many events; 0: never
    json: { type: "boolean", default: false },
  },
});
const resetAfter = Number(options["reset-after"]);

const streamConnection = new Connection(options.stream);
const runs = createClient(RunsService, new Connection(options.dispatch).transport);
const streams = createClient(StreamService, streamConnection.transport);

/** A line for people or, with --json, an object for programs. */
function tell(kind: string, text: string, fields: object): void {
  console.log(options.json ? JSON.stringify({ kind, text, ...fields }) : `${kind.padEnd(14)}${text}`);
}

/** Creates the run under an id of ours, twice: the same id with the same request is the same run. */
async function create(runId: string): Promise<void> {
  const question = { messages: [{ role: "user", content: "What is a checkpoint?" }] };
  const request = {
    runId,
    assistantId: "chat",
    work: { case: "input" as const, value: { text: JSON.stringify(question) } },
    streamModes: [StreamMode.MESSAGES, StreamMode.UPDATES],
  };
  const { run: created } = await runs.createRun(request, { timeoutMs: 10_000 });
  const { run: again } = await runs.createRun(request, { timeoutMs: 10_000 });
  const once = isDeepStrictEqual(created?.createTime, again?.createTime);
  tell("created", runId, { runId, once });
}

/** All events of the run, read over a connection that is reset on the way. */
async function watch(runId: string): Promise<RunEvent[]> {
  const seen: RunEvent[] = [];
  for await (const event of follow(streams, runId, "", broken)) {
    happened(event);
    seen.push(event);
    if (seen.length === resetAfter) {
      streamConnection.reset(); // the call is not ended: it is lost, and the server has to find out
      tell("reset", "the connection is gone", { after: event.eventId });
      break;
    }
  }
  const last = seen.at(-1);
  if (last?.payload.case === "finished") return seen;
  for await (const event of follow(streams, runId, last?.eventId, broken)) {
    happened(event);
    seen.push(event);
  }
  return seen;
}

function happened(event: RunEvent): void {
  tell(event.payload.case ?? "unknown", describe(event), { eventId: event.eventId });
}

function broken(error: unknown, after: string): void {
  tell("broken", String(error), { after });
}

/** Whether `seen` is what a reader gets who was never cut off: every event once, in order. */
async function prove(runId: string, seen: RunEvent[]): Promise<boolean> {
  const replayed: RunEvent[] = [];
  for await (const event of follow(streams, runId)) replayed.push(event);
  const distinct = new Set(seen.map(({ eventId }) => eventId)).size;
  const complete = isDeepStrictEqual(seen, replayed) && distinct === seen.length;
  const text = `${seen.length} events, ${complete ? "the same" : "NOT the same"} as in a full replay`;
  tell("proved", text, { complete, connections: streamConnection.opened });
  return complete;
}

/** Sends a request with two wrong fields; the refusal names both. */
async function beRefused(): Promise<void> {
  try {
    await runs.createRun({ runId: "no-uuid", assistantId: "chat", config: { recursionLimit: 0 } });
  } catch (error) {
    const refusal = refusalOf(error);
    if (!refusal) throw error;
    const wrong = refusal.violations.map(({ field, description }) => `${field} ${description}`);
    tell("refused", `${refusal.reason}: ${wrong.join("; ")}`, refusal);
    return;
  }
  throw new Error("a wrong request was taken");
}

const runId = randomUUID();
await create(runId);
const complete = await prove(runId, await watch(runId));
await beRefused();
process.exit(complete ? 0 : 1); // connections that are still open would keep it alive
