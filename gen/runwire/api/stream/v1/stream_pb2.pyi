import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from runwire.api.type.v1 import json_pb2 as _json_pb2
from runwire.api.type.v1 import run_pb2 as _run_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GapReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GAP_REASON_UNSPECIFIED: _ClassVar[GapReason]
    GAP_REASON_NOT_LOGGED: _ClassVar[GapReason]
    GAP_REASON_LOST: _ClassVar[GapReason]
    GAP_REASON_EXPIRED: _ClassVar[GapReason]
GAP_REASON_UNSPECIFIED: GapReason
GAP_REASON_NOT_LOGGED: GapReason
GAP_REASON_LOST: GapReason
GAP_REASON_EXPIRED: GapReason

class StreamRunRequest(_message.Message):
    __slots__ = ("run_id", "after_event_id", "stream_modes", "namespaces", "cancel_on_disconnect", "heartbeat_interval")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_MODES_FIELD_NUMBER: _ClassVar[int]
    NAMESPACES_FIELD_NUMBER: _ClassVar[int]
    CANCEL_ON_DISCONNECT_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    after_event_id: str
    stream_modes: _containers.RepeatedScalarFieldContainer[_run_pb2.StreamMode]
    namespaces: _containers.RepeatedCompositeFieldContainer[Namespace]
    cancel_on_disconnect: bool
    heartbeat_interval: _duration_pb2.Duration
    def __init__(self, run_id: _Optional[str] = ..., after_event_id: _Optional[str] = ..., stream_modes: _Optional[_Iterable[_Union[_run_pb2.StreamMode, str]]] = ..., namespaces: _Optional[_Iterable[_Union[Namespace, _Mapping]]] = ..., cancel_on_disconnect: bool = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Namespace(_message.Message):
    __slots__ = ("path",)
    PATH_FIELD_NUMBER: _ClassVar[int]
    path: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, path: _Optional[_Iterable[str]] = ...) -> None: ...

class StreamRunResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[RunEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[RunEvent, _Mapping]]] = ...) -> None: ...

class StreamThreadRequest(_message.Message):
    __slots__ = ("thread_id", "after_event_id", "lifecycle_only", "stream_modes", "heartbeat_interval")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    LIFECYCLE_ONLY_FIELD_NUMBER: _ClassVar[int]
    STREAM_MODES_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    after_event_id: str
    lifecycle_only: bool
    stream_modes: _containers.RepeatedScalarFieldContainer[_run_pb2.StreamMode]
    heartbeat_interval: _duration_pb2.Duration
    def __init__(self, thread_id: _Optional[str] = ..., after_event_id: _Optional[str] = ..., lifecycle_only: bool = ..., stream_modes: _Optional[_Iterable[_Union[_run_pb2.StreamMode, str]]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class StreamThreadResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[RunEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[RunEvent, _Mapping]]] = ...) -> None: ...

class WaitRunRequest(_message.Message):
    __slots__ = ("run_id", "timeout")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    timeout: _duration_pb2.Duration
    def __init__(self, run_id: _Optional[str] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WaitRunResponse(_message.Message):
    __slots__ = ("run", "output", "interrupts")
    RUN_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTS_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    output: _json_pb2.Json
    interrupts: _containers.RepeatedCompositeFieldContainer[_run_pb2.Interrupt]
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ..., output: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., interrupts: _Optional[_Iterable[_Union[_run_pb2.Interrupt, _Mapping]]] = ...) -> None: ...

class RunEvent(_message.Message):
    __slots__ = ("event_id", "run_id", "thread_id", "namespace", "event_time", "started", "values", "update", "message", "custom", "task_started", "task_finished", "checkpoint", "debug", "interrupted", "finished", "heartbeat", "gap")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELD_NUMBER: _ClassVar[int]
    TASK_STARTED_FIELD_NUMBER: _ClassVar[int]
    TASK_FINISHED_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    DEBUG_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTED_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    run_id: str
    thread_id: str
    namespace: _containers.RepeatedScalarFieldContainer[str]
    event_time: _timestamp_pb2.Timestamp
    started: Started
    values: Values
    update: Update
    message: MessageChunk
    custom: Custom
    task_started: TaskStarted
    task_finished: TaskFinished
    checkpoint: Checkpoint
    debug: Debug
    interrupted: Interrupted
    finished: Finished
    heartbeat: Heartbeat
    gap: Gap
    def __init__(self, event_id: _Optional[str] = ..., run_id: _Optional[str] = ..., thread_id: _Optional[str] = ..., namespace: _Optional[_Iterable[str]] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started: _Optional[_Union[Started, _Mapping]] = ..., values: _Optional[_Union[Values, _Mapping]] = ..., update: _Optional[_Union[Update, _Mapping]] = ..., message: _Optional[_Union[MessageChunk, _Mapping]] = ..., custom: _Optional[_Union[Custom, _Mapping]] = ..., task_started: _Optional[_Union[TaskStarted, _Mapping]] = ..., task_finished: _Optional[_Union[TaskFinished, _Mapping]] = ..., checkpoint: _Optional[_Union[Checkpoint, _Mapping]] = ..., debug: _Optional[_Union[Debug, _Mapping]] = ..., interrupted: _Optional[_Union[Interrupted, _Mapping]] = ..., finished: _Optional[_Union[Finished, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., gap: _Optional[_Union[Gap, _Mapping]] = ...) -> None: ...

class Started(_message.Message):
    __slots__ = ("attempt", "graph_id", "assistant_id")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    GRAPH_ID_FIELD_NUMBER: _ClassVar[int]
    ASSISTANT_ID_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    graph_id: str
    assistant_id: str
    def __init__(self, attempt: _Optional[int] = ..., graph_id: _Optional[str] = ..., assistant_id: _Optional[str] = ...) -> None: ...

class Values(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _json_pb2.Json
    def __init__(self, values: _Optional[_Union[_json_pb2.Json, _Mapping]] = ...) -> None: ...

class Update(_message.Message):
    __slots__ = ("node", "update")
    NODE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    node: str
    update: _json_pb2.Json
    def __init__(self, node: _Optional[str] = ..., update: _Optional[_Union[_json_pb2.Json, _Mapping]] = ...) -> None: ...

class MessageChunk(_message.Message):
    __slots__ = ("message_id", "delta", "chunk", "message_type", "metadata", "complete")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_TYPE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    message_id: str
    delta: str
    chunk: _json_pb2.Json
    message_type: str
    metadata: _json_pb2.Json
    complete: bool
    def __init__(self, message_id: _Optional[str] = ..., delta: _Optional[str] = ..., chunk: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., message_type: _Optional[str] = ..., metadata: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., complete: bool = ...) -> None: ...

class Custom(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: _json_pb2.Json
    def __init__(self, data: _Optional[_Union[_json_pb2.Json, _Mapping]] = ...) -> None: ...

class TaskStarted(_message.Message):
    __slots__ = ("task_id", "node", "input", "triggers")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    TRIGGERS_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    node: str
    input: _json_pb2.Json
    triggers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, task_id: _Optional[str] = ..., node: _Optional[str] = ..., input: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., triggers: _Optional[_Iterable[str]] = ...) -> None: ...

class TaskFinished(_message.Message):
    __slots__ = ("task_id", "node", "result", "error", "interrupts")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTS_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    node: str
    result: _json_pb2.Json
    error: str
    interrupts: _containers.RepeatedCompositeFieldContainer[_run_pb2.Interrupt]
    def __init__(self, task_id: _Optional[str] = ..., node: _Optional[str] = ..., result: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., error: _Optional[str] = ..., interrupts: _Optional[_Iterable[_Union[_run_pb2.Interrupt, _Mapping]]] = ...) -> None: ...

class Checkpoint(_message.Message):
    __slots__ = ("ref", "parent", "next", "values", "metadata")
    REF_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    ref: _run_pb2.CheckpointRef
    parent: _run_pb2.CheckpointRef
    next: _containers.RepeatedScalarFieldContainer[str]
    values: _json_pb2.Json
    metadata: _json_pb2.Json
    def __init__(self, ref: _Optional[_Union[_run_pb2.CheckpointRef, _Mapping]] = ..., parent: _Optional[_Union[_run_pb2.CheckpointRef, _Mapping]] = ..., next: _Optional[_Iterable[str]] = ..., values: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., metadata: _Optional[_Union[_json_pb2.Json, _Mapping]] = ...) -> None: ...

class Debug(_message.Message):
    __slots__ = ("type", "step", "data")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    type: str
    step: int
    data: _json_pb2.Json
    def __init__(self, type: _Optional[str] = ..., step: _Optional[int] = ..., data: _Optional[_Union[_json_pb2.Json, _Mapping]] = ...) -> None: ...

class Interrupted(_message.Message):
    __slots__ = ("interrupts",)
    INTERRUPTS_FIELD_NUMBER: _ClassVar[int]
    interrupts: _containers.RepeatedCompositeFieldContainer[_run_pb2.Interrupt]
    def __init__(self, interrupts: _Optional[_Iterable[_Union[_run_pb2.Interrupt, _Mapping]]] = ...) -> None: ...

class Finished(_message.Message):
    __slots__ = ("status", "error", "rolled_back")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ROLLED_BACK_FIELD_NUMBER: _ClassVar[int]
    status: _run_pb2.RunStatus
    error: _run_pb2.RunError
    rolled_back: bool
    def __init__(self, status: _Optional[_Union[_run_pb2.RunStatus, str]] = ..., error: _Optional[_Union[_run_pb2.RunError, _Mapping]] = ..., rolled_back: bool = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Gap(_message.Message):
    __slots__ = ("reason", "missing")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    reason: GapReason
    missing: int
    def __init__(self, reason: _Optional[_Union[GapReason, str]] = ..., missing: _Optional[int] = ...) -> None: ...
