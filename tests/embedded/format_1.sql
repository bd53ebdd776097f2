BEGIN TRANSACTION;
CREATE TABLE access_groups (
        group_name TEXT PRIMARY KEY,
        description TEXT,
        display_name TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) STRICT
    ;
INSERT INTO "access_groups" VALUES('g','first',NULL,'2026-11-01T00:00:00Z','2026-11-01T00:00:00Z');
CREATE TABLE group_aliases (
        position INTEGER PRIMARY KEY,
        group_name TEXT NOT NULL REFERENCES access_groups ON DELETE CASCADE,
        alias TEXT NOT NULL REFERENCES model_aliases ON DELETE CASCADE,
        UNIQUE (group_name, alias)
    ) STRICT
    ;
INSERT INTO "group_aliases" VALUES(1,'g','b');
INSERT INTO "group_aliases" VALUES(2,'g','a');
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
        updated_at TEXT NOT NULL
    ) STRICT
    ;
INSERT INTO "model_aliases" VALUES('a','openai/a',NULL,NULL,'active','[]',NULL,NULL,'{"mock_response": "hi"}','2026-11-01T00:00:00Z','2026-11-01T00:00:00Z');
INSERT INTO "model_aliases" VALUES('b','openai/b',NULL,NULL,'active','[]',NULL,NULL,'{"mock_response": "hi"}','2026-11-01T00:00:00Z','2026-11-01T00:00:00Z');
CREATE TABLE organizations (
        organization_id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        metadata TEXT NOT NULL,
        status TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) STRICT
    ;
INSERT INTO "organizations" VALUES('o','O','{"tier": "x"}','active','2026-11-01T00:00:00Z','2026-11-01T00:00:00Z');
CREATE TABLE team_groups (
        position INTEGER PRIMARY KEY,
        team_id TEXT NOT NULL REFERENCES teams ON DELETE CASCADE,
        group_name TEXT NOT NULL REFERENCES access_groups ON DELETE CASCADE,
        UNIQUE (team_id, group_name)
    ) STRICT
    ;
INSERT INTO "team_groups" VALUES(1,'t','g');
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
        updated_at TEXT NOT NULL
    ) STRICT
    ;
INSERT INTO "teams" VALUES('t','o',NULL,'active',15,0,'{}','eb234c7f9cf813f039aee8451c255d1285192238c08385a2011a9e638329f062','2026-11-01T00:00:00Z','2026-11-01T00:00:00Z');
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
    ;
INSERT INTO "transactions" VALUES(1,'t','allocation',10,'credits_allocated 10',NULL,0,10,0,0,'2026-11-01T00:00:00Z');
INSERT INTO "transactions" VALUES(2,'t','addition',5,NULL,'op:t:1',10,15,0,0,'2026-11-01T00:00:00Z');
CREATE INDEX group_aliases_by_alias ON group_aliases (alias, group_name);
CREATE INDEX teams_by_organization ON teams (organization_id, team_id);
CREATE INDEX team_groups_by_group ON team_groups (group_name, team_id);
CREATE INDEX transactions_by_team ON transactions (team_id, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('transactions',2);
COMMIT;
PRAGMA user_version = 1;
