import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from runwire.api.dispatch.v1 import runs_pb2 as _runs_pb2
from runwire.api.type.v1 import json_pb2 as _json_pb2
from runwire.api.type.v1 import sorting_pb2 as _sorting_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CronSortBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CRON_SORT_BY_UNSPECIFIED: _ClassVar[CronSortBy]
    CRON_SORT_BY_CREATE_TIME: _ClassVar[CronSortBy]
    CRON_SORT_BY_UPDATE_TIME: _ClassVar[CronSortBy]
    CRON_SORT_BY_NEXT_TICK_TIME: _ClassVar[CronSortBy]
CRON_SORT_BY_UNSPECIFIED: CronSortBy
CRON_SORT_BY_CREATE_TIME: CronSortBy
CRON_SORT_BY_UPDATE_TIME: CronSortBy
CRON_SORT_BY_NEXT_TICK_TIME: CronSortBy

class Cron(_message.Message):
    __slots__ = ("cron_id", "schedule", "time_zone", "run", "enabled", "end_time", "metadata", "create_time", "update_time", "next_tick_time", "missed_ticks")
    CRON_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    NEXT_TICK_TIME_FIELD_NUMBER: _ClassVar[int]
    MISSED_TICKS_FIELD_NUMBER: _ClassVar[int]
    cron_id: str
    schedule: str
    time_zone: str
    run: _runs_pb2.CreateRunRequest
    enabled: bool
    end_time: _timestamp_pb2.Timestamp
    metadata: _json_pb2.Json
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    next_tick_time: _timestamp_pb2.Timestamp
    missed_ticks: int
    def __init__(self, cron_id: _Optional[str] = ..., schedule: _Optional[str] = ..., time_zone: _Optional[str] = ..., run: _Optional[_Union[_runs_pb2.CreateRunRequest, _Mapping]] = ..., enabled: bool = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., metadata: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_tick_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., missed_ticks: _Optional[int] = ...) -> None: ...

class CreateCronRequest(_message.Message):
    __slots__ = ("cron_id", "schedule", "time_zone", "run", "enabled", "end_time", "metadata")
    CRON_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    cron_id: str
    schedule: str
    time_zone: str
    run: _runs_pb2.CreateRunRequest
    enabled: bool
    end_time: _timestamp_pb2.Timestamp
    metadata: _json_pb2.Json
    def __init__(self, cron_id: _Optional[str] = ..., schedule: _Optional[str] = ..., time_zone: _Optional[str] = ..., run: _Optional[_Union[_runs_pb2.CreateRunRequest, _Mapping]] = ..., enabled: bool = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., metadata: _Optional[_Union[_json_pb2.Json, _Mapping]] = ...) -> None: ...

class CreateCronResponse(_message.Message):
    __slots__ = ("cron",)
    CRON_FIELD_NUMBER: _ClassVar[int]
    cron: Cron
    def __init__(self, cron: _Optional[_Union[Cron, _Mapping]] = ...) -> None: ...

class GetCronRequest(_message.Message):
    __slots__ = ("cron_id",)
    CRON_ID_FIELD_NUMBER: _ClassVar[int]
    cron_id: str
    def __init__(self, cron_id: _Optional[str] = ...) -> None: ...

class GetCronResponse(_message.Message):
    __slots__ = ("cron",)
    CRON_FIELD_NUMBER: _ClassVar[int]
    cron: Cron
    def __init__(self, cron: _Optional[_Union[Cron, _Mapping]] = ...) -> None: ...

class CronFilter(_message.Message):
    __slots__ = ("assistant_id", "thread_id", "enabled", "metadata_contains")
    ASSISTANT_ID_FIELD_NUMBER: _ClassVar[int]
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    METADATA_CONTAINS_FIELD_NUMBER: _ClassVar[int]
    assistant_id: str
    thread_id: str
    enabled: bool
    metadata_contains: _json_pb2.Json
    def __init__(self, assistant_id: _Optional[str] = ..., thread_id: _Optional[str] = ..., enabled: bool = ..., metadata_contains: _Optional[_Union[_json_pb2.Json, _Mapping]] = ...) -> None: ...

class ListCronsRequest(_message.Message):
    __slots__ = ("filter", "page_size", "page_token", "sort_by", "order")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SORT_BY_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    filter: CronFilter
    page_size: int
    page_token: str
    sort_by: CronSortBy
    order: _sorting_pb2.SortOrder
    def __init__(self, filter: _Optional[_Union[CronFilter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., sort_by: _Optional[_Union[CronSortBy, str]] = ..., order: _Optional[_Union[_sorting_pb2.SortOrder, str]] = ...) -> None: ...

class ListCronsResponse(_message.Message):
    __slots__ = ("crons", "next_page_token")
    CRONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    crons: _containers.RepeatedCompositeFieldContainer[Cron]
    next_page_token: str
    def __init__(self, crons: _Optional[_Iterable[_Union[Cron, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CountCronsRequest(_message.Message):
    __slots__ = ("filter",)
    FILTER_FIELD_NUMBER: _ClassVar[int]
    filter: CronFilter
    def __init__(self, filter: _Optional[_Union[CronFilter, _Mapping]] = ...) -> None: ...

class CountCronsResponse(_message.Message):
    __slots__ = ("count",)
    COUNT_FIELD_NUMBER: _ClassVar[int]
    count: int
    def __init__(self, count: _Optional[int] = ...) -> None: ...

class UpdateCronRequest(_message.Message):
    __slots__ = ("cron_id", "schedule", "time_zone", "run", "enabled", "end_time", "clear_end_time", "metadata")
    CRON_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    CLEAR_END_TIME_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    cron_id: str
    schedule: str
    time_zone: str
    run: _runs_pb2.CreateRunRequest
    enabled: bool
    end_time: _timestamp_pb2.Timestamp
    clear_end_time: bool
    metadata: _json_pb2.Json
    def __init__(self, cron_id: _Optional[str] = ..., schedule: _Optional[str] = ..., time_zone: _Optional[str] = ..., run: _Optional[_Union[_runs_pb2.CreateRunRequest, _Mapping]] = ..., enabled: bool = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., clear_end_time: bool = ..., metadata: _Optional[_Union[_json_pb2.Json, _Mapping]] = ...) -> None: ...

class UpdateCronResponse(_message.Message):
    __slots__ = ("cron",)
    CRON_FIELD_NUMBER: _ClassVar[int]
    cron: Cron
    def __init__(self, cron: _Optional[_Union[Cron, _Mapping]] = ...) -> None: ...

class DeleteCronRequest(_message.Message):
    __slots__ = ("cron_id",)
    CRON_ID_FIELD_NUMBER: _ClassVar[int]
    cron_id: str
    def __init__(self, cron_id: _Optional[str] = ...) -> None: ...

class DeleteCronResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
