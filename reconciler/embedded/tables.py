"""The database's tables.

`position` keeps the order in which names were given: answers echo lists as they were sent. Transactions outlive their
team: what was granted stays on record, and an operation id is used once ever.
"""

FORMAT = 2

# What one gateway is known by, wherever it is served and whatever its file is called.
GATEWAY = "CREATE TABLE gateway (gateway_id TEXT NOT NULL) STRICT"

# What was asked for under an id: done, with its answer (never a key), or void, which it stays for ever.
OPERATIONS = """
    CREATE TABLE operations (
        operation_id TEXT PRIMARY KEY,
        state TEXT NOT NULL CHECK (state IN ('done', 'void')),
        digest TEXT,
        status INTEGER,
        answer TEXT,
        created_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
"""

# A team's calls are transactions, too, and many: those that carry an operation id are found without reading them.
OPERATIONS_BY_TEAM = """
    CREATE INDEX transactions_with_operation_by_team ON transactions (team_id, id) WHERE operation_id IS NOT NULL
"""
OPERATIONS_BY_AGE = """
    CREATE INDEX transactions_with_operation ON transactions (id, operation_id) WHERE operation_id IS NOT NULL
"""

TABLES = (
    """
    CREATE TABLE organizations (
        organization_id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        metadata TEXT NOT NULL,
        status TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        generation INTEGER NOT NULL DEFAULT 1
    ) STRICT
    """,
    """
    CREATE TABLE model_aliases (
        alias TEXT PRIMARY KEY,
        litellm_model TEXT NOT NULL,
        description TEXT,
        display_name TEXT,
        status TEXT NOT NULL,
        tags TEXT NOT NULL,
        pricing_input REAL,
        pricing_output REAL,
        litellm_params TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        generation INTEGER NOT NULL DEFAULT 1
    ) STRICT
    """,
    """
    CREATE TABLE access_groups (
        group_name TEXT PRIMARY KEY,
        description TEXT,
        display_name TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        generation INTEGER NOT NULL DEFAULT 1
    ) STRICT
    """,
    """
    CREATE TABLE group_aliases (
        position INTEGER PRIMARY KEY,
        group_name TEXT NOT NULL REFERENCES access_groups ON DELETE CASCADE,
        alias TEXT NOT NULL REFERENCES model_aliases ON DELETE CASCADE,
        UNIQUE (group_name, alias)
    ) STRICT
    """,
    "CREATE INDEX group_aliases_by_alias ON group_aliases (alias, group_name)",
    """
    CREATE TABLE teams (
        team_id TEXT PRIMARY KEY,
        organization_id TEXT NOT NULL REFERENCES organizations,
        team_alias TEXT,
        status TEXT NOT NULL,
        credits_allocated INTEGER NOT NULL,
        credits_used INTEGER NOT NULL,
        metadata TEXT NOT NULL,
        key_hash TEXT NOT NULL UNIQUE,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        generation INTEGER NOT NULL DEFAULT 1
    ) STRICT
    """,
    "CREATE INDEX teams_by_organization ON teams (organization_id, team_id)",
    """
    CREATE TABLE team_groups (
        position INTEGER PRIMARY KEY,
        team_id TEXT NOT NULL REFERENCES teams ON DELETE CASCADE,
        group_name TEXT NOT NULL REFERENCES access_groups ON DELETE CASCADE,
        UNIQUE (team_id, group_name)
    ) STRICT
    """,
    "CREATE INDEX team_groups_by_group ON team_groups (group_name, team_id)",
    """
    CREATE TABLE transactions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        team_id TEXT NOT NULL,
        type TEXT NOT NULL,
        amount INTEGER NOT NULL,
        description TEXT,
        operation_id TEXT UNIQUE,
        allocated_before INTEGER NOT NULL,
        allocated_after INTEGER NOT NULL,
        used_before INTEGER NOT NULL,
        used_after INTEGER NOT NULL,
        created_at TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX transactions_by_team ON transactions (team_id, id)",
    GATEWAY,
    OPERATIONS,
    OPERATIONS_BY_TEAM,
    OPERATIONS_BY_AGE,
)

# From format 1, which release 0.1.0 wrote.
UPGRADE = (
    *(
        f"ALTER TABLE {table} ADD COLUMN generation INTEGER NOT NULL DEFAULT 1"
        for table in ("organizations", "model_aliases", "access_groups", "teams")
    ),
    GATEWAY,
    OPERATIONS,
    OPERATIONS_BY_TEAM,
    OPERATIONS_BY_AGE,
)
