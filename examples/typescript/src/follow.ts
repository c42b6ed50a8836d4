// Following a run to its end, whatever happens to the connection.

import { setTimeout as pause } from "node:timers/promises";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { RunEvent, StreamService } from "./gen/runwire/api/stream/v1/stream_pb.js";
import { isPassing } from "./refusal.js";

const FAILURES_IN_A_ROW = 6;
const FIRST_PAUSE_MS = 100;

/**
 * The events of a run after `afterEventId` (empty: from the first), up to `finished`.
 *
 * A stream that breaks is taken up after the last event that arrived, so each event comes once; `onBreak` hears of it.
 */
export async function* follow(
  streams: Client<typeof StreamService>,
  runId: string,
  afterEventId = "",
  onBreak: (error: unknown, afterEventId: string) => void = () => {},
): AsyncGenerator<RunEvent, void> {
  for (let failures = 0; ; failures++) {
    try {
      for await (const { events } of streams.streamRun({ runId, afterEventId })) {
        failures = 0;
        for (const event of events) {
          afterEventId = event.eventId;
          if (event.payload.case !== "heartbeat") yield event;
          if (event.payload.case === "finished") return;
        }
      }
      throw new ConnectError("the stream ended before the run", Code.Unavailable);
    } catch (error) {
      if (!isPassing(error) || failures >= FAILURES_IN_A_ROW) throw error;
      onBreak(error, afterEventId);
    }
    await pause(FIRST_PAUSE_MS * 2 ** failures);
  }
}
