"""What a CreateRunRequest may say, and what it comes to once it is laid over its assistant. No IO."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message

from runwire.api.dispatch.v1 import runs_pb2
from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest
from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import Breakpoints, Command, RunConfig
from runwire.core.checks import METADATA_LIMIT, Checks
from runwire.core.ids import new_uuid
from runwire.core.run_config import check_config
from runwire.core.run_message import STRATEGIES
from runwire.dispatch.assistants import Assistant
from runwire.dispatch.webhook_requests import check_webhook

MAX_BREAKPOINTS = 256
MAX_NODE_BYTES = 1024
RUN_TIMEOUTS = (timedelta(seconds=1), timedelta(days=7))
START_DELAYS = (timedelta(0), timedelta(days=30))

_STRATEGY_WORDS: dict[int, str] = {number: word for word, number in STRATEGIES.items()}
# Each enum field, its kind, and what its zero means.
_DEFAULTS: tuple[tuple[str, EnumTypeWrapper, int], ...] = (
    ("durability", run_pb2.Durability, run_pb2.DURABILITY_ASYNC),
    ("multitask_strategy", run_pb2.MultitaskStrategy, run_pb2.MULTITASK_STRATEGY_ENQUEUE),
    ("if_thread_missing", runs_pb2.IfThreadMissing, runs_pb2.IF_THREAD_MISSING_REJECT),
    ("on_completion", runs_pb2.OnCompletion, runs_pb2.ON_COMPLETION_DELETE),
    ("event_log", runs_pb2.EventLog, runs_pb2.EVENT_LOG_ON),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrder:
    """A request that has passed its checks. Without a thread of its own to keep, `thread_id` is None."""

    request: CreateRunRequest
    run_id: UUID
    thread_id: str | None
    digest: bytes

    @property
    def creates_thread(self) -> bool:
        """Whether a thread that does not exist is made."""
        return not self.request.thread_id or self.request.if_thread_missing == runs_pb2.IF_THREAD_MISSING_CREATE

    @property
    def strategy(self) -> str:
        """The multitask strategy, in the word of the runs table."""
        return _STRATEGY_WORDS[self.request.multitask_strategy or run_pb2.MULTITASK_STRATEGY_ENQUEUE]

    @property
    def run_timeout(self) -> timedelta | None:
        """The time limit of one attempt; None leaves it to the server."""
        return self.request.run_timeout.ToTimedelta() if self.request.HasField("run_timeout") else None

    @property
    def delay(self) -> timedelta:
        """How long after its creation the run is due."""
        return self.request.start_delay.ToTimedelta()

    @property
    def checkpoint(self) -> tuple[str, str] | None:
        """Id and namespace of the checkpoint to start from; None: the thread's head."""
        named = self.request.checkpoint
        return (named.checkpoint_id, named.checkpoint_ns) if self.request.HasField("checkpoint") else None


def check(request: CreateRunRequest, inside: str = "", *, private_webhooks: bool = False) -> RunOrder:
    """The order that a request amounts to. Raises InvalidRequest with everything that is wrong."""
    checks = Checks(inside)
    run_id = checks.uuid("run_id", request.run_id, required=False)
    checks.identifier("thread_id", request.thread_id, required=False)
    checks.identifier("assistant_id", request.assistant_id)
    _check_work(checks, request)
    _check_checkpoint(checks, request)
    _check_need_of_thread(checks, request)
    check_config(checks, request)
    checks.json("metadata", request, limit=METADATA_LIMIT, must_be_object=True)
    check_webhook(checks, request, private_addresses=private_webhooks)
    _check_breakpoints(checks, "interrupt_before", request.interrupt_before)
    _check_breakpoints(checks, "interrupt_after", request.interrupt_after)
    _check_enums(checks, request)
    if request.HasField("run_timeout"):
        checks.duration("run_timeout", request.run_timeout, *RUN_TIMEOUTS)
    if request.HasField("start_delay"):
        checks.duration("start_delay", request.start_delay, *START_DELAYS)
    checks.done()
    return _order(request, run_id or new_uuid())


def digest(request: CreateRunRequest) -> bytes:
    """Tells a repeated call from another one with the same run id."""
    bare = CreateRunRequest()
    bare.CopyFrom(request)
    bare.ClearField("run_id")
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).digest()


def effective(order: RunOrder, assistant: Assistant) -> CreateRunRequest:
    """The request as its worker gets it: ids filled in, laid over the assistant, defaults said."""
    merged = CreateRunRequest()
    merged.CopyFrom(order.request)
    merged.run_id = str(order.run_id)
    merged.thread_id = order.thread_id or ""
    merged.assistant_id = assistant.assistant_id
    merged.config.CopyFrom(merge_configs(assistant.config, order.request.config))
    context = merge_objects(assistant.context, _text(order.request, "context"))
    if context is not None:
        merged.context.text = context
    merged.ClearField("stream_modes")
    merged.stream_modes.extend(dict.fromkeys(order.request.stream_modes) or [run_pb2.STREAM_MODE_VALUES])
    _say_defaults(merged, has_thread=bool(order.request.thread_id))
    return merged


def merge_configs(lower: RunConfig, upper: RunConfig) -> RunConfig:
    """One config laid over another: tags of both, the upper recursion limit, `configurable` key by key."""
    merged = RunConfig(tags=dict.fromkeys([*lower.tags, *upper.tags]))
    for config in (lower, upper):
        if config.HasField("recursion_limit"):
            merged.recursion_limit = config.recursion_limit
    configurable = merge_objects(_text(lower, "configurable"), _text(upper, "configurable"))
    if configurable is not None:
        merged.configurable.text = configurable
    return merged


def merge_objects(lower: str | None, upper: str | None) -> str | None:
    """One JSON object laid over another, key by key; a text that stands alone is not touched."""
    if lower is None or upper is None:
        return lower if upper is None else upper
    # The standard library's parser keeps integers of any size.
    return json.dumps({**json.loads(lower), **json.loads(upper)}, ensure_ascii=False, separators=(",", ":"))


def _order(request: CreateRunRequest, run_id: UUID) -> RunOrder:
    keeps = request.on_completion == runs_pb2.ON_COMPLETION_KEEP
    thread_id = request.thread_id or (str(run_id) if keeps else None)
    return RunOrder(request=request, run_id=run_id, thread_id=thread_id, digest=digest(request))


def _text(message: Message, field: str) -> str | None:
    value: Json = getattr(message, field)
    return value.text if message.HasField(field) else None


def _say_defaults(request: CreateRunRequest, *, has_thread: bool) -> None:
    for field, _, default in _DEFAULTS:
        if getattr(request, field) == 0 and not (field == "on_completion" and has_thread):
            setattr(request, field, default)


def _check_work(checks: Checks, request: CreateRunRequest) -> None:
    checks.json("input", request)
    if request.HasField("command"):
        _check_command(checks, request.command)


def _check_checkpoint(checks: Checks, request: CreateRunRequest) -> None:
    if request.HasField("checkpoint"):
        checks.checkpoint("checkpoint", request.checkpoint, id_required=True)


def _check_need_of_thread(checks: Checks, request: CreateRunRequest) -> None:
    if request.thread_id:
        return
    if request.command.HasField("resume"):
        checks.add("thread_id", "FIELD_REQUIRED", "is required with command.resume")
    elif request.HasField("checkpoint"):
        checks.add("thread_id", "FIELD_REQUIRED", "is required with checkpoint")


def _check_command(checks: Checks, command: Command) -> None:
    if not command.ListFields():
        checks.add("command", "FIELD_REQUIRED", "must have resume, update or goto")
    checks.json("command.resume", command)
    checks.json("command.update", command, must_be_object=True)
    for number, goto in enumerate(command.goto):
        _check_name(checks, f"command.goto[{number}].node", goto.node, MAX_NODE_BYTES)
        checks.json(f"command.goto[{number}].input", goto)


def _check_breakpoints(checks: Checks, field: str, breakpoints: Breakpoints) -> None:
    if breakpoints.all_nodes and breakpoints.nodes:
        checks.add(f"{field}.nodes", "FIELDS_CONFLICT", "excludes all_nodes")
    checks.length(f"{field}.nodes", breakpoints.nodes, 0, MAX_BREAKPOINTS)
    for number, node in enumerate(breakpoints.nodes[:MAX_BREAKPOINTS]):
        _check_name(checks, f"{field}.nodes[{number}]", node, MAX_NODE_BYTES)


def _check_name(checks: Checks, field: str, name: str, limit: int) -> None:
    if checks.require(field, name):
        checks.text(field, name, limit)


def _check_enums(checks: Checks, request: CreateRunRequest) -> None:
    for number, mode in enumerate(request.stream_modes):
        _check_stream_mode(checks, f"stream_modes[{number}]", mode)
    for field, kind, _ in _DEFAULTS:
        checks.enum(field, kind, getattr(request, field))
    if request.thread_id and request.on_completion:
        checks.add("on_completion", "FIELDS_CONFLICT", "excludes thread_id")


def _check_stream_mode(checks: Checks, field: str, mode: int) -> None:
    if mode == run_pb2.STREAM_MODE_UNSPECIFIED:
        checks.add(field, "FIELD_INVALID", "must say a mode")
    else:
        checks.enum(field, run_pb2.StreamMode, mode)
