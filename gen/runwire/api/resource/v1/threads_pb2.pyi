import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from runwire.api.type.v1 import json_pb2 as _json_pb2
from runwire.api.type.v1 import run_pb2 as _run_pb2
from runwire.api.type.v1 import sorting_pb2 as _sorting_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ThreadStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    THREAD_STATUS_UNSPECIFIED: _ClassVar[ThreadStatus]
    THREAD_STATUS_IDLE: _ClassVar[ThreadStatus]
    THREAD_STATUS_BUSY: _ClassVar[ThreadStatus]
    THREAD_STATUS_INTERRUPTED: _ClassVar[ThreadStatus]
    THREAD_STATUS_ERROR: _ClassVar[ThreadStatus]

class ThreadView(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    THREAD_VIEW_UNSPECIFIED: _ClassVar[ThreadView]
    THREAD_VIEW_BASIC: _ClassVar[ThreadView]
    THREAD_VIEW_FULL: _ClassVar[ThreadView]

class TtlStrategy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TTL_STRATEGY_UNSPECIFIED: _ClassVar[TtlStrategy]
    TTL_STRATEGY_DELETE: _ClassVar[TtlStrategy]
    TTL_STRATEGY_KEEP_LATEST: _ClassVar[TtlStrategy]

class ThreadIfExists(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    THREAD_IF_EXISTS_UNSPECIFIED: _ClassVar[ThreadIfExists]
    THREAD_IF_EXISTS_FAIL: _ClassVar[ThreadIfExists]
    THREAD_IF_EXISTS_KEEP: _ClassVar[ThreadIfExists]

class ThreadSortBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    THREAD_SORT_BY_UNSPECIFIED: _ClassVar[ThreadSortBy]
    THREAD_SORT_BY_CREATE_TIME: _ClassVar[ThreadSortBy]
    THREAD_SORT_BY_UPDATE_TIME: _ClassVar[ThreadSortBy]
THREAD_STATUS_UNSPECIFIED: ThreadStatus
THREAD_STATUS_IDLE: ThreadStatus
THREAD_STATUS_BUSY: ThreadStatus
THREAD_STATUS_INTERRUPTED: ThreadStatus
THREAD_STATUS_ERROR: ThreadStatus
THREAD_VIEW_UNSPECIFIED: ThreadView
THREAD_VIEW_BASIC: ThreadView
THREAD_VIEW_FULL: ThreadView
TTL_STRATEGY_UNSPECIFIED: TtlStrategy
TTL_STRATEGY_DELETE: TtlStrategy
TTL_STRATEGY_KEEP_LATEST: TtlStrategy
THREAD_IF_EXISTS_UNSPECIFIED: ThreadIfExists
THREAD_IF_EXISTS_FAIL: ThreadIfExists
THREAD_IF_EXISTS_KEEP: ThreadIfExists
THREAD_SORT_BY_UNSPECIFIED: ThreadSortBy
THREAD_SORT_BY_CREATE_TIME: ThreadSortBy
THREAD_SORT_BY_UPDATE_TIME: ThreadSortBy

class Thread(_message.Message):
    __slots__ = ("thread_id", "status", "metadata", "values", "interrupts", "error", "graph_id", "create_time", "update_time", "state_update_time", "ttl", "expire_time")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    GRAPH_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    STATE_UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    status: ThreadStatus
    metadata: _json_pb2.Json
    values: _json_pb2.Json
    interrupts: _containers.RepeatedCompositeFieldContainer[_run_pb2.Interrupt]
    error: _run_pb2.RunError
    graph_id: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    state_update_time: _timestamp_pb2.Timestamp
    ttl: ThreadTtl
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, thread_id: _Optional[str] = ..., status: _Optional[_Union[ThreadStatus, str]] = ..., metadata: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., values: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., interrupts: _Optional[_Iterable[_Union[_run_pb2.Interrupt, _Mapping]]] = ..., error: _Optional[_Union[_run_pb2.RunError, _Mapping]] = ..., graph_id: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state_update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ttl: _Optional[_Union[ThreadTtl, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ThreadTtl(_message.Message):
    __slots__ = ("strategy", "duration")
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    strategy: TtlStrategy
    duration: _duration_pb2.Duration
    def __init__(self, strategy: _Optional[_Union[TtlStrategy, str]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CreateThreadRequest(_message.Message):
    __slots__ = ("thread_id", "metadata", "ttl", "if_exists", "graph_id")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    IF_EXISTS_FIELD_NUMBER: _ClassVar[int]
    GRAPH_ID_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    metadata: _json_pb2.Json
    ttl: ThreadTtl
    if_exists: ThreadIfExists
    graph_id: str
    def __init__(self, thread_id: _Optional[str] = ..., metadata: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., ttl: _Optional[_Union[ThreadTtl, _Mapping]] = ..., if_exists: _Optional[_Union[ThreadIfExists, str]] = ..., graph_id: _Optional[str] = ...) -> None: ...

class CreateThreadResponse(_message.Message):
    __slots__ = ("thread",)
    THREAD_FIELD_NUMBER: _ClassVar[int]
    thread: Thread
    def __init__(self, thread: _Optional[_Union[Thread, _Mapping]] = ...) -> None: ...

class GetThreadRequest(_message.Message):
    __slots__ = ("thread_id", "view")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    view: ThreadView
    def __init__(self, thread_id: _Optional[str] = ..., view: _Optional[_Union[ThreadView, str]] = ...) -> None: ...

class GetThreadResponse(_message.Message):
    __slots__ = ("thread",)
    THREAD_FIELD_NUMBER: _ClassVar[int]
    thread: Thread
    def __init__(self, thread: _Optional[_Union[Thread, _Mapping]] = ...) -> None: ...

class ThreadFilter(_message.Message):
    __slots__ = ("thread_ids", "status", "metadata_contains", "values_contain")
    THREAD_IDS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    METADATA_CONTAINS_FIELD_NUMBER: _ClassVar[int]
    VALUES_CONTAIN_FIELD_NUMBER: _ClassVar[int]
    thread_ids: _containers.RepeatedScalarFieldContainer[str]
    status: ThreadStatus
    metadata_contains: _json_pb2.Json
    values_contain: _json_pb2.Json
    def __init__(self, thread_ids: _Optional[_Iterable[str]] = ..., status: _Optional[_Union[ThreadStatus, str]] = ..., metadata_contains: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., values_contain: _Optional[_Union[_json_pb2.Json, _Mapping]] = ...) -> None: ...

class ListThreadsRequest(_message.Message):
    __slots__ = ("filter", "page_size", "page_token", "sort_by", "order", "view")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SORT_BY_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    filter: ThreadFilter
    page_size: int
    page_token: str
    sort_by: ThreadSortBy
    order: _sorting_pb2.SortOrder
    view: ThreadView
    def __init__(self, filter: _Optional[_Union[ThreadFilter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., sort_by: _Optional[_Union[ThreadSortBy, str]] = ..., order: _Optional[_Union[_sorting_pb2.SortOrder, str]] = ..., view: _Optional[_Union[ThreadView, str]] = ...) -> None: ...

class ListThreadsResponse(_message.Message):
    __slots__ = ("threads", "next_page_token")
    THREADS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    threads: _containers.RepeatedCompositeFieldContainer[Thread]
    next_page_token: str
    def __init__(self, threads: _Optional[_Iterable[_Union[Thread, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CountThreadsRequest(_message.Message):
    __slots__ = ("filter",)
    FILTER_FIELD_NUMBER: _ClassVar[int]
    filter: ThreadFilter
    def __init__(self, filter: _Optional[_Union[ThreadFilter, _Mapping]] = ...) -> None: ...

class CountThreadsResponse(_message.Message):
    __slots__ = ("count",)
    COUNT_FIELD_NUMBER: _ClassVar[int]
    count: int
    def __init__(self, count: _Optional[int] = ...) -> None: ...

class UpdateThreadRequest(_message.Message):
    __slots__ = ("thread_id", "metadata", "ttl", "clear_ttl")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    CLEAR_TTL_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    metadata: _json_pb2.Json
    ttl: ThreadTtl
    clear_ttl: bool
    def __init__(self, thread_id: _Optional[str] = ..., metadata: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., ttl: _Optional[_Union[ThreadTtl, _Mapping]] = ..., clear_ttl: bool = ...) -> None: ...

class UpdateThreadResponse(_message.Message):
    __slots__ = ("thread",)
    THREAD_FIELD_NUMBER: _ClassVar[int]
    thread: Thread
    def __init__(self, thread: _Optional[_Union[Thread, _Mapping]] = ...) -> None: ...

class DeleteThreadRequest(_message.Message):
    __slots__ = ("thread_id",)
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    def __init__(self, thread_id: _Optional[str] = ...) -> None: ...

class DeleteThreadResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CopyThreadRequest(_message.Message):
    __slots__ = ("thread_id", "target_thread_id")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    target_thread_id: str
    def __init__(self, thread_id: _Optional[str] = ..., target_thread_id: _Optional[str] = ...) -> None: ...

class CopyThreadResponse(_message.Message):
    __slots__ = ("thread",)
    THREAD_FIELD_NUMBER: _ClassVar[int]
    thread: Thread
    def __init__(self, thread: _Optional[_Union[Thread, _Mapping]] = ...) -> None: ...

class PruneThreadsRequest(_message.Message):
    __slots__ = ("thread_ids", "strategy")
    THREAD_IDS_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    thread_ids: _containers.RepeatedScalarFieldContainer[str]
    strategy: TtlStrategy
    def __init__(self, thread_ids: _Optional[_Iterable[str]] = ..., strategy: _Optional[_Union[TtlStrategy, str]] = ...) -> None: ...

class PruneThreadsResponse(_message.Message):
    __slots__ = ("pruned_count",)
    PRUNED_COUNT_FIELD_NUMBER: _ClassVar[int]
    pruned_count: int
    def __init__(self, pruned_count: _Optional[int] = ...) -> None: ...
