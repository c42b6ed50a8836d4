// Why a call failed, out of the details that its status carries.

import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";

export interface Refusal {
  code: string;
  message: string;
  /** A name of the contract's ErrorReason, for example "THREAD_BUSY". */
  reason: string;
  /** All wrong fields of the request. */
  violations: { field: string; reason: string; description: string }[];
}

/** What a server of Runwire says against a call; undefined when it was not the server that ended it. */
export function refusalOf(error: unknown): Refusal | undefined {
  const failed = ConnectError.from(error);
  const [info] = failed.findDetails(ErrorInfoSchema);
  if (info?.domain !== "runwire") return undefined;
  const violations = failed.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations);
  return {
    code: Code[failed.code],
    message: failed.rawMessage,
    reason: info.reason,
    violations: violations.map(({ field, reason, description }) => ({ field, reason, description })),
  };
}

/** Whether the same call may succeed a moment later: the network failed, or a server, its database or a worker is away. */
export function isPassing(error: unknown): boolean {
  return refusalOf(error) === undefined || ConnectError.from(error).code === Code.Unavailable;
}
