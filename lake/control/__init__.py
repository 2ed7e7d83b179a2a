"""What lakemesh remembers in PostgreSQL: audit log, attempts, runs, audit results, plans, ledger and
the gateway's keys.
"""

from lake.control.api_keys import (
    ALL_STREAMS,
    ApiKey,
    active_keys,
    create_key,
    list_keys,
    revoke_key,
)
from lake.control.attempts import (
    Attempt,
    AttemptState,
    open_attempt,
    read_attempts,
    settle_attempt,
    settle_older,
)
from lake.control.audit_log import Act, ActResult, read_acts, recorded
from lake.control.history import (
    EVIDENCE_ROWS,
    AuditRecord,
    AuditStatus,
    Evaluation,
    Evidence,
    PlanRecord,
    Record,
    Result,
    RunKind,
    RunRecord,
    read_audit_results,
    read_evaluations,
    read_evidence,
    read_latest_audit_results,
    read_plans,
    read_runs,
    write_history,
)
from lake.control.idempotency import Claim, claim_keys, forget_expired, release_keys, settle_keys
from lake.control.migrate import migrate

__all__ = [
    "ALL_STREAMS",
    "EVIDENCE_ROWS",
    "Act",
    "ActResult",
    "ApiKey",
    "Attempt",
    "AttemptState",
    "AuditRecord",
    "AuditStatus",
    "Claim",
    "Evaluation",
    "Evidence",
    "PlanRecord",
    "Record",
    "Result",
    "RunKind",
    "RunRecord",
    "active_keys",
    "claim_keys",
    "create_key",
    "forget_expired",
    "list_keys",
    "migrate",
    "open_attempt",
    "read_acts",
    "read_attempts",
    "read_audit_results",
    "read_evaluations",
    "read_evidence",
    "read_latest_audit_results",
    "read_plans",
    "read_runs",
    "recorded",
    "release_keys",
    "revoke_key",
    "settle_attempt",
    "settle_keys",
    "settle_older",
    "write_history",
]
