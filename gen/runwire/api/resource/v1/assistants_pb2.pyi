import datetime

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

class IfExists(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IF_EXISTS_UNSPECIFIED: _ClassVar[IfExists]
    IF_EXISTS_FAIL: _ClassVar[IfExists]
    IF_EXISTS_KEEP: _ClassVar[IfExists]

class AssistantSortBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ASSISTANT_SORT_BY_UNSPECIFIED: _ClassVar[AssistantSortBy]
    ASSISTANT_SORT_BY_CREATE_TIME: _ClassVar[AssistantSortBy]
    ASSISTANT_SORT_BY_UPDATE_TIME: _ClassVar[AssistantSortBy]
    ASSISTANT_SORT_BY_NAME: _ClassVar[AssistantSortBy]
IF_EXISTS_UNSPECIFIED: IfExists
IF_EXISTS_FAIL: IfExists
IF_EXISTS_KEEP: IfExists
ASSISTANT_SORT_BY_UNSPECIFIED: AssistantSortBy
ASSISTANT_SORT_BY_CREATE_TIME: AssistantSortBy
ASSISTANT_SORT_BY_UPDATE_TIME: AssistantSortBy
ASSISTANT_SORT_BY_NAME: AssistantSortBy

class Assistant(_message.Message):
    __slots__ = ("assistant_id", "graph_id", "version", "name", "description", "config", "context", "metadata", "create_time", "update_time", "is_default")
    ASSISTANT_ID_FIELD_NUMBER: _ClassVar[int]
    GRAPH_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    assistant_id: str
    graph_id: str
    version: int
    name: str
    description: str
    config: _run_pb2.RunConfig
    context: _json_pb2.Json
    metadata: _json_pb2.Json
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    is_default: bool
    def __init__(self, assistant_id: _Optional[str] = ..., graph_id: _Optional[str] = ..., version: _Optional[int] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., config: _Optional[_Union[_run_pb2.RunConfig, _Mapping]] = ..., context: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., metadata: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., is_default: bool = ...) -> None: ...

class AssistantVersion(_message.Message):
    __slots__ = ("assistant_id", "version", "graph_id", "name", "description", "config", "context", "metadata", "create_time")
    ASSISTANT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    GRAPH_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    assistant_id: str
    version: int
    graph_id: str
    name: str
    description: str
    config: _run_pb2.RunConfig
    context: _json_pb2.Json
    metadata: _json_pb2.Json
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, assistant_id: _Optional[str] = ..., version: _Optional[int] = ..., graph_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., config: _Optional[_Union[_run_pb2.RunConfig, _Mapping]] = ..., context: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., metadata: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateAssistantRequest(_message.Message):
    __slots__ = ("assistant_id", "graph_id", "name", "description", "config", "context", "metadata", "if_exists")
    ASSISTANT_ID_FIELD_NUMBER: _ClassVar[int]
    GRAPH_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    IF_EXISTS_FIELD_NUMBER: _ClassVar[int]
    assistant_id: str
    graph_id: str
    name: str
    description: str
    config: _run_pb2.RunConfig
    context: _json_pb2.Json
    metadata: _json_pb2.Json
    if_exists: IfExists
    def __init__(self, assistant_id: _Optional[str] = ..., graph_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., config: _Optional[_Union[_run_pb2.RunConfig, _Mapping]] = ..., context: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., metadata: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., if_exists: _Optional[_Union[IfExists, str]] = ...) -> None: ...

class CreateAssistantResponse(_message.Message):
    __slots__ = ("assistant",)
    ASSISTANT_FIELD_NUMBER: _ClassVar[int]
    assistant: Assistant
    def __init__(self, assistant: _Optional[_Union[Assistant, _Mapping]] = ...) -> None: ...

class GetAssistantRequest(_message.Message):
    __slots__ = ("assistant_id",)
    ASSISTANT_ID_FIELD_NUMBER: _ClassVar[int]
    assistant_id: str
    def __init__(self, assistant_id: _Optional[str] = ...) -> None: ...

class GetAssistantResponse(_message.Message):
    __slots__ = ("assistant",)
    ASSISTANT_FIELD_NUMBER: _ClassVar[int]
    assistant: Assistant
    def __init__(self, assistant: _Optional[_Union[Assistant, _Mapping]] = ...) -> None: ...

class AssistantFilter(_message.Message):
    __slots__ = ("graph_id", "name_contains", "metadata_contains")
    GRAPH_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_CONTAINS_FIELD_NUMBER: _ClassVar[int]
    METADATA_CONTAINS_FIELD_NUMBER: _ClassVar[int]
    graph_id: str
    name_contains: str
    metadata_contains: _json_pb2.Json
    def __init__(self, graph_id: _Optional[str] = ..., name_contains: _Optional[str] = ..., metadata_contains: _Optional[_Union[_json_pb2.Json, _Mapping]] = ...) -> None: ...

class ListAssistantsRequest(_message.Message):
    __slots__ = ("filter", "page_size", "page_token", "sort_by", "order")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SORT_BY_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    filter: AssistantFilter
    page_size: int
    page_token: str
    sort_by: AssistantSortBy
    order: _sorting_pb2.SortOrder
    def __init__(self, filter: _Optional[_Union[AssistantFilter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., sort_by: _Optional[_Union[AssistantSortBy, str]] = ..., order: _Optional[_Union[_sorting_pb2.SortOrder, str]] = ...) -> None: ...

class ListAssistantsResponse(_message.Message):
    __slots__ = ("assistants", "next_page_token")
    ASSISTANTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    assistants: _containers.RepeatedCompositeFieldContainer[Assistant]
    next_page_token: str
    def __init__(self, assistants: _Optional[_Iterable[_Union[Assistant, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CountAssistantsRequest(_message.Message):
    __slots__ = ("filter",)
    FILTER_FIELD_NUMBER: _ClassVar[int]
    filter: AssistantFilter
    def __init__(self, filter: _Optional[_Union[AssistantFilter, _Mapping]] = ...) -> None: ...

class CountAssistantsResponse(_message.Message):
    __slots__ = ("count",)
    COUNT_FIELD_NUMBER: _ClassVar[int]
    count: int
    def __init__(self, count: _Optional[int] = ...) -> None: ...

class UpdateAssistantRequest(_message.Message):
    __slots__ = ("assistant_id", "graph_id", "name", "description", "config", "context", "metadata", "if_version")
    ASSISTANT_ID_FIELD_NUMBER: _ClassVar[int]
    GRAPH_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    IF_VERSION_FIELD_NUMBER: _ClassVar[int]
    assistant_id: str
    graph_id: str
    name: str
    description: str
    config: _run_pb2.RunConfig
    context: _json_pb2.Json
    metadata: _json_pb2.Json
    if_version: int
    def __init__(self, assistant_id: _Optional[str] = ..., graph_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., config: _Optional[_Union[_run_pb2.RunConfig, _Mapping]] = ..., context: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., metadata: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., if_version: _Optional[int] = ...) -> None: ...

class UpdateAssistantResponse(_message.Message):
    __slots__ = ("assistant",)
    ASSISTANT_FIELD_NUMBER: _ClassVar[int]
    assistant: Assistant
    def __init__(self, assistant: _Optional[_Union[Assistant, _Mapping]] = ...) -> None: ...

class DeleteAssistantRequest(_message.Message):
    __slots__ = ("assistant_id", "delete_threads")
    ASSISTANT_ID_FIELD_NUMBER: _ClassVar[int]
    DELETE_THREADS_FIELD_NUMBER: _ClassVar[int]
    assistant_id: str
    delete_threads: bool
    def __init__(self, assistant_id: _Optional[str] = ..., delete_threads: bool = ...) -> None: ...

class DeleteAssistantResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListAssistantVersionsRequest(_message.Message):
    __slots__ = ("assistant_id", "metadata_contains", "page_size", "page_token")
    ASSISTANT_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_CONTAINS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    assistant_id: str
    metadata_contains: _json_pb2.Json
    page_size: int
    page_token: str
    def __init__(self, assistant_id: _Optional[str] = ..., metadata_contains: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAssistantVersionsResponse(_message.Message):
    __slots__ = ("versions", "next_page_token")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[AssistantVersion]
    next_page_token: str
    def __init__(self, versions: _Optional[_Iterable[_Union[AssistantVersion, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SetLatestAssistantVersionRequest(_message.Message):
    __slots__ = ("assistant_id", "version")
    ASSISTANT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    assistant_id: str
    version: int
    def __init__(self, assistant_id: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class SetLatestAssistantVersionResponse(_message.Message):
    __slots__ = ("assistant",)
    ASSISTANT_FIELD_NUMBER: _ClassVar[int]
    assistant: Assistant
    def __init__(self, assistant: _Optional[_Union[Assistant, _Mapping]] = ...) -> None: ...

class GetAssistantGraphRequest(_message.Message):
    __slots__ = ("assistant_id", "xray_depth")
    ASSISTANT_ID_FIELD_NUMBER: _ClassVar[int]
    XRAY_DEPTH_FIELD_NUMBER: _ClassVar[int]
    assistant_id: str
    xray_depth: int
    def __init__(self, assistant_id: _Optional[str] = ..., xray_depth: _Optional[int] = ...) -> None: ...

class GetAssistantGraphResponse(_message.Message):
    __slots__ = ("nodes", "edges")
    NODES_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[GraphNode]
    edges: _containers.RepeatedCompositeFieldContainer[GraphEdge]
    def __init__(self, nodes: _Optional[_Iterable[_Union[GraphNode, _Mapping]]] = ..., edges: _Optional[_Iterable[_Union[GraphEdge, _Mapping]]] = ...) -> None: ...

class GraphNode(_message.Message):
    __slots__ = ("node_id", "type", "data")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    type: str
    data: _json_pb2.Json
    def __init__(self, node_id: _Optional[str] = ..., type: _Optional[str] = ..., data: _Optional[_Union[_json_pb2.Json, _Mapping]] = ...) -> None: ...

class GraphEdge(_message.Message):
    __slots__ = ("source", "target", "conditional", "label")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    CONDITIONAL_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    source: str
    target: str
    conditional: bool
    label: str
    def __init__(self, source: _Optional[str] = ..., target: _Optional[str] = ..., conditional: bool = ..., label: _Optional[str] = ...) -> None: ...

class GetAssistantSchemasRequest(_message.Message):
    __slots__ = ("assistant_id",)
    ASSISTANT_ID_FIELD_NUMBER: _ClassVar[int]
    assistant_id: str
    def __init__(self, assistant_id: _Optional[str] = ...) -> None: ...

class GetAssistantSchemasResponse(_message.Message):
    __slots__ = ("graph_id", "schemas")
    GRAPH_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEMAS_FIELD_NUMBER: _ClassVar[int]
    graph_id: str
    schemas: GraphSchemas
    def __init__(self, graph_id: _Optional[str] = ..., schemas: _Optional[_Union[GraphSchemas, _Mapping]] = ...) -> None: ...

class GraphSchemas(_message.Message):
    __slots__ = ("input", "output", "state", "config", "context")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    input: _json_pb2.Json
    output: _json_pb2.Json
    state: _json_pb2.Json
    config: _json_pb2.Json
    context: _json_pb2.Json
    def __init__(self, input: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., output: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., state: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., config: _Optional[_Union[_json_pb2.Json, _Mapping]] = ..., context: _Optional[_Union[_json_pb2.Json, _Mapping]] = ...) -> None: ...

class ListAssistantSubgraphsRequest(_message.Message):
    __slots__ = ("assistant_id", "namespace", "recurse", "page_size", "page_token")
    ASSISTANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RECURSE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    assistant_id: str
    namespace: str
    recurse: bool
    page_size: int
    page_token: str
    def __init__(self, assistant_id: _Optional[str] = ..., namespace: _Optional[str] = ..., recurse: bool = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAssistantSubgraphsResponse(_message.Message):
    __slots__ = ("subgraphs", "next_page_token")
    SUBGRAPHS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    subgraphs: _containers.RepeatedCompositeFieldContainer[Subgraph]
    next_page_token: str
    def __init__(self, subgraphs: _Optional[_Iterable[_Union[Subgraph, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Subgraph(_message.Message):
    __slots__ = ("namespace", "schemas")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SCHEMAS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    schemas: GraphSchemas
    def __init__(self, namespace: _Optional[str] = ..., schemas: _Optional[_Union[GraphSchemas, _Mapping]] = ...) -> None: ...
