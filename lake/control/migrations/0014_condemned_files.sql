-- Files of tables that nothing reached when somebody looked: deleted a day later, if that is still so.
CREATE TABLE control.condemned_files (
    table_uuid uuid NOT NULL,
    path text NOT NULL,
    bytes bigint NOT NULL,
    condemned_at timestamptz NOT NULL,
    PRIMARY KEY (table_uuid, path)
);
