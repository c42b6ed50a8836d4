"""What workers have published about their graphs, found by an assistant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from runwire.api.resource.v1.assistants_pb2 import GraphEdge, GraphNode, GraphSchemas, Subgraph
from runwire.api.type.v1.json_pb2 import Json
from runwire.core import sql
from runwire.core.errors import AssistantNotFound, GraphNotFound
from runwire.core.ids import default_assistant_id
from runwire.core.pages import Page
from runwire.core.postgres import Pool
from runwire.resource.listing import Conditions, Order, PageRequest, read_page

_SQL = sql.load(__file__)
_BY_NAMESPACE = Order(column="s.namespace", id_column="s.namespace", descending=False)
_SCHEMAS = ("input", "output", "state", "config", "context")


@dataclass(frozen=True, slots=True)
class Drawing:
    """A graph's nodes and edges."""

    nodes: Sequence[GraphNode]
    edges: Sequence[GraphEdge]


class Graphs:
    """Finds a graph by an assistant's id, or by its own."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def drawing(self, tenant: str, name: str, depth: int) -> Drawing:
        """The drawing with subgraphs down to `depth`. Raises AssistantNotFound, GraphNotFound."""
        row = await self._find("get_drawing", tenant, name, depth)
        return Drawing([_node(*node) for node in row["nodes"]], [_edge(*edge) for edge in row["edges"]])

    async def schemas(self, tenant: str, name: str) -> tuple[str, GraphSchemas]:
        """The graph's id and its schemas. Raises AssistantNotFound, GraphNotFound."""
        row = await self._find("get_schemas", tenant, name)
        return row["graph_id"], _schemas(row)

    async def subgraphs(
        self, tenant: str, name: str, namespace: str, request: PageRequest, *, recurse: bool
    ) -> Page[Subgraph]:
        """One page of subgraphs: of all, or of the one at `namespace`. Raises AssistantNotFound, GraphNotFound."""
        row = await self._find("get_graph_id", tenant, name)
        conditions = Conditions()
        conditions.add(_SQL["of_graph"], row["graph_id"])
        if namespace:
            conditions.add(_SQL["at_or_below" if recurse else "at"], namespace)
        elif not recurse:
            conditions.add(_SQL["at_the_top"])
        return await read_page(self._pool, _SQL["list_subgraphs"], conditions, _BY_NAMESPACE, request, _subgraph)

    async def _find(self, statement: str, tenant: str, name: str, *arguments: object) -> asyncpg.Record:
        row = await self._pool.fetchrow(_SQL[statement], tenant, name, default_assistant_id(name), *arguments)
        if row is None:
            raise AssistantNotFound(assistant_id=name)
        if not row["is_published"]:
            raise GraphNotFound(graph_id=row["graph_id"])
        return row


async def is_published(connection: Pool | asyncpg.Connection[asyncpg.Record], graph_id: str) -> bool:
    """Whether any worker has ever published the graph."""
    return bool(await connection.fetchval(_SQL["is_published"], graph_id))


def _node(node_id: str, kind: str | None, data: str | None) -> GraphNode:
    return GraphNode(node_id=node_id, type=kind or "", data=None if data is None else Json(text=data))


def _edge(source: str, target: str, conditional: bool | None, label: str | None) -> GraphEdge:
    return GraphEdge(source=source, target=target, conditional=bool(conditional), label=label or "")


def _subgraph(row: asyncpg.Record) -> Subgraph:
    return Subgraph(namespace=row["namespace"], schemas=_schemas(row))


def _schemas(row: asyncpg.Record) -> GraphSchemas:
    return GraphSchemas(**{name: Json(text=row[name]) for name in _SCHEMAS if row[name] is not None})
