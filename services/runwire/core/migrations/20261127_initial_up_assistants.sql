-- Graphs as workers have published them, tenants that have been heard of, and assistants: graphs with a configuration, in versions.
-- Every tenant has default assistants of its own, which it may change as it likes and no other tenant sees. They are registered
-- when the tenant is first heard of, and when a worker publishes a graph.
--
-- Of all files here: what must always hold is a constraint or a unique index. All clocks that decide anything are the database's.

CREATE TABLE graphs (
    graph_id text PRIMARY KEY,
    -- {"0": {"nodes": [...], "edges": [...]}, "1": ...}: one drawing per xray depth, deeper ones alike left out
    drawings jsonb NOT NULL,
    -- {"input": ..., "output": ..., "state": ..., "config": ..., "context": ...}
    schemas jsonb NOT NULL,
    -- {"namespace": schemas, ...}
    subgraphs jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tenants (
    tenant text PRIMARY KEY CHECK (tenant ~ '^[A-Za-z0-9._:-]{1,128}$'),
    created_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO tenants (tenant) VALUES ('default');

CREATE TABLE assistants (
    tenant text NOT NULL DEFAULT 'default',
    assistant_id text NOT NULL,
    -- the latest version
    version integer NOT NULL CHECK (version >= 1),
    is_default boolean NOT NULL DEFAULT false,
    request_digest bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, assistant_id)
);

CREATE INDEX assistants_by_creation ON assistants (tenant, created_at, assistant_id);
CREATE INDEX assistants_by_update ON assistants (tenant, updated_at, assistant_id);

CREATE TABLE assistant_versions (
    tenant text NOT NULL DEFAULT 'default',
    assistant_id text NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    graph_id text NOT NULL,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    -- a serialized runwire.api.type.v1.RunConfig
    config bytea NOT NULL DEFAULT '',
    context json,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, assistant_id, version),
    FOREIGN KEY (tenant, assistant_id) REFERENCES assistants ON DELETE CASCADE
);

CREATE INDEX assistant_versions_metadata ON assistant_versions USING gin (metadata jsonb_path_ops);

-- Registers what tenants lack of the default assistants that the default tenant has, for one tenant or for all.
CREATE FUNCTION register_default_assistants(p_tenant text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    -- A tenant and a graph that are new at the same moment do not miss each other.
    PERFORM pg_advisory_xact_lock(hashtext('runwire:default_assistants'), 0);
    WITH registered AS (
        INSERT INTO assistants (tenant, assistant_id, version, is_default)
        SELECT t.tenant, d.assistant_id, 1, true
        FROM tenants t CROSS JOIN assistants d
        WHERE d.tenant = 'default' AND d.is_default AND (p_tenant IS NULL OR t.tenant = p_tenant)
        ON CONFLICT DO NOTHING
        RETURNING tenant, assistant_id
    )
    INSERT INTO assistant_versions (tenant, assistant_id, version, graph_id, name)
    SELECT r.tenant, r.assistant_id, 1, v.graph_id, v.name
    FROM registered r
    -- As it was registered: what the default tenant has made of it since is its own.
    JOIN assistant_versions v ON v.tenant = 'default' AND v.assistant_id = r.assistant_id AND v.version = 1;
END
$$;

-- Takes note of a tenant that has not been heard of.
CREATE FUNCTION welcome_tenant(p_tenant text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tenants (tenant) VALUES (p_tenant) ON CONFLICT DO NOTHING;
    PERFORM register_default_assistants(p_tenant);
END
$$;
