// Events as a person reads them.

import type { Json } from "./gen/runwire/api/type/v1/json_pb.js";
import { RunStatus } from "./gen/runwire/api/type/v1/run_pb.js";
import type { RunEvent } from "./gen/runwire/api/stream/v1/stream_pb.js";

/** One line on an event. The compiler knows what each kind carries, and that none is forgotten. */
export function describe({ payload }: RunEvent): string {
  switch (payload.case) {
    case "started":
      return `attempt ${payload.value.attempt} of ${payload.value.graphId}`;
    case "values":
      return `the state: ${textOf(payload.value.values)}`;
    case "update":
      return `${payload.value.node} returned ${textOf(payload.value.update)}`;
    case "message":
      return payload.value.chunk ? textOf(payload.value.chunk) : JSON.stringify(payload.value.delta);
    case "custom":
      return textOf(payload.value.data);
    case "taskStarted":
    case "taskFinished":
      return payload.value.node;
    case "checkpoint":
      return payload.value.ref?.checkpointId ?? "";
    case "debug":
      return payload.value.type;
    case "interrupted":
      return payload.value.interrupts.map(({ value }) => textOf(value)).join(", ");
    case "finished":
      return [RunStatus[payload.value.status], payload.value.error?.message].filter(Boolean).join(": ");
    case "gap":
      return `${payload.value.missing || "some"} events are missing here`;
    case "heartbeat":
    case undefined: // a kind of a later version of the contract
      return "";
  }
}

/** A user's value, which travels as a JSON text. */
function textOf(value: Json | undefined): string {
  const text = value?.text ?? "nothing";
  return text.length > 90 ? `${text.slice(0, 89)}…` : text;
}
