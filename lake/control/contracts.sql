-- name: lock_subject
SELECT pg_advisory_xact_lock(hashtextextended('contract subject ' || %(subject)s, 0))

-- name: record_version
INSERT INTO control.contract_versions
    (stream, version, digest, document, subject, subject_version, schema_id, schema_type, schema_text, actor)
SELECT
    %(stream)s, %(version)s, %(digest)s, %(document)s, %(subject)s,
    CASE WHEN %(subject)s <> '' THEN coalesce(
        (SELECT min(subject_version) FROM control.contract_versions
         WHERE subject = %(subject)s AND schema_id = %(schema_id)s),
        (SELECT max(subject_version) + 1 FROM control.contract_versions WHERE subject = %(subject)s),
        1
    ) END,
    %(schema_id)s, %(schema_type)s, %(schema_text)s, %(actor)s
ON CONFLICT (stream, version) DO NOTHING

-- name: digest_of
SELECT digest FROM control.contract_versions WHERE stream = %(stream)s AND version = %(version)s

-- name: has_versions
SELECT to_regclass('control.contract_versions')::text AS found

-- name: all_versions
SELECT stream, version, digest, document, subject, subject_version, schema_id, schema_type, schema_text,
       actor, deployed_at
FROM control.contract_versions
ORDER BY stream, deployed_at, version

-- name: versions_of
SELECT stream, version, digest, document, subject, subject_version, schema_id, schema_type, schema_text,
       actor, deployed_at
FROM control.contract_versions
WHERE stream = ANY(%(streams)s)
ORDER BY stream, deployed_at, version
