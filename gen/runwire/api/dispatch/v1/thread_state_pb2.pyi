import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from runwire.api.type.v1 import json_pb2 as _json_pb2
from runwire.api.type.v1 import run_pb2 as _run_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ThreadState(_message.Message):
    __slots__ = ("values", "next", "tasks", "checkpoint", "parent_checkpoint", "metadata", "create_time", "interrupts")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    PARENT_CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTS_FIELD_NUMBER: _ClassVar[int]
    values: _json_pb2.Json
    next: _containers.RepeatedScalarFieldContainer[str]
    tasks: _containers.RepeatedCompositeFieldContainer[StateTask]
    checkpoint: _run_pb2.CheckpointRef
    parent_checkpoint: _run_pb2.CheckpointRef
    metadata: _json_pb2.Json
    create_time: _timestamp_pb2.Timestamp
    interrupts: _containers.RepeatedCompositeFieldContainer[_run_pb2.Interrupt]
    def __init__(self, values: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., next: _Optional[_Iterable[str]] = ..., tasks: _Optional[_Iterable[_Union[StateTask, _Mapping]]] = ..., checkpoint: _Optional[_Union[_run_pb2.CheckpointRef, _Mapping]] = ..., parent_checkpoint: _Optional[_Union[_run_pb2.CheckpointRef, _Mapping]] = ..., metadata: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., interrupts: _Optional[_Iterable[_Union[_run_pb2.Interrupt, _Mapping]]] = ...) -> None: ...

class StateTask(_message.Message):
    __slots__ = ("task_id", "node", "error", "interrupts", "checkpoint", "state", "result")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    node: str
    error: str
    interrupts: _containers.RepeatedCompositeFieldContainer[_run_pb2.Interrupt]
    checkpoint: _run_pb2.CheckpointRef
    state: ThreadState
    result: _json_pb2.Json
    def __init__(self, task_id: _Optional[str] = ..., node: _Optional[str] = ..., error: _Optional[str] = ..., interrupts: _Optional[_Iterable[_Union[_run_pb2.Interrupt, _Mapping]]] = ..., checkpoint: _Optional[_Union[_run_pb2.CheckpointRef, _Mapping]] = ..., state: _Optional[_Union[ThreadState, _Mapping]] = ..., result: _Optional[_Union[_json_pb2.Json, _Mapping]] = ...) -> None: ...

class GetThreadStateRequest(_message.Message):
    __slots__ = ("thread_id", "checkpoint", "subgraphs")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    SUBGRAPHS_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    checkpoint: _run_pb2.CheckpointRef
    subgraphs: bool
    def __init__(self, thread_id: _Optional[str] = ..., checkpoint: _Optional[_Union[_run_pb2.CheckpointRef, _Mapping]] = ..., subgraphs: bool = ...) -> None: ...

class GetThreadStateResponse(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: ThreadState
    def __init__(self, state: _Optional[_Union[ThreadState, _Mapping]] = ...) -> None: ...

class ListThreadHistoryRequest(_message.Message):
    __slots__ = ("thread_id", "page_size", "page_token", "before", "metadata_contains", "checkpoint_ns")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    METADATA_CONTAINS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_NS_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    page_size: int
    page_token: str
    before: _run_pb2.CheckpointRef
    metadata_contains: _json_pb2.Json
    checkpoint_ns: str
    def __init__(self, thread_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., before: _Optional[_Union[_run_pb2.CheckpointRef, _Mapping]] = ..., metadata_contains: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., checkpoint_ns: _Optional[str] = ...) -> None: ...

class ListThreadHistoryResponse(_message.Message):
    __slots__ = ("states", "next_page_token")
    STATES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    states: _containers.RepeatedCompositeFieldContainer[ThreadState]
    next_page_token: str
    def __init__(self, states: _Optional[_Iterable[_Union[ThreadState, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateThreadStateRequest(_message.Message):
    __slots__ = ("thread_id", "updates", "checkpoint")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    updates: _containers.RepeatedCompositeFieldContainer[StateUpdate]
    checkpoint: _run_pb2.CheckpointRef
    def __init__(self, thread_id: _Optional[str] = ..., updates: _Optional[_Iterable[_Union[StateUpdate, _Mapping]]] = ..., checkpoint: _Optional[_Union[_run_pb2.CheckpointRef, _Mapping]] = ...) -> None: ...

class StateUpdate(_message.Message):
    __slots__ = ("values", "as_node")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    AS_NODE_FIELD_NUMBER: _ClassVar[int]
    values: _json_pb2.Json
    as_node: str
    def __init__(self, values: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., as_node: _Optional[str] = ...) -> None: ...

class UpdateThreadStateResponse(_message.Message):
    __slots__ = ("checkpoint",)
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    checkpoint: _run_pb2.CheckpointRef
    def __init__(self, checkpoint: _Optional[_Union[_run_pb2.CheckpointRef, _Mapping]] = ...) -> None: ...
