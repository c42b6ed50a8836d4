-- Every tenant has default assistants of its own, which it may change as it likes and no other tenant sees. They are registered when
-- the tenant is first heard of, and when a worker publishes a graph.

CREATE TABLE tenants (
    tenant text PRIMARY KEY CHECK (tenant ~ '^[A-Za-z0-9._:-]{1,128}$'),
    created_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO tenants (tenant)
SELECT 'default' UNION SELECT tenant FROM threads UNION SELECT tenant FROM assistants;

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
