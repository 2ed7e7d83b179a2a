-- Versions of contracts that are, or were, deployed: the registry serves their schemas, records and rows
-- name their numbers, so a version is written once and never changed.
CREATE TABLE control.contract_versions (
    stream text NOT NULL,
    version text NOT NULL,
    digest text NOT NULL,
    document text NOT NULL,
    subject text NOT NULL DEFAULT '',
    subject_version integer,
    schema_id bigint,
    schema_type text,
    schema_text text,
    actor text NOT NULL,
    deployed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (stream, version),
    CHECK ((subject = '') = (schema_id IS NULL))
);
CREATE INDEX contract_versions_subject ON control.contract_versions (subject, subject_version);
CREATE INDEX contract_versions_schema ON control.contract_versions (schema_id);
CREATE TRIGGER contract_versions_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON control.contract_versions
FOR EACH STATEMENT EXECUTE FUNCTION control.refuse_change();
