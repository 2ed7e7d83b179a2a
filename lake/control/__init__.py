"""What lakemesh remembers in PostgreSQL: audit log, attempts, runs, audit results, plans and ledger."""

from lake.control.audit_log import Act, ActResult, read_acts, recorded
from lake.control.migrate import migrate

__all__ = ["Act", "ActResult", "migrate", "read_acts", "recorded"]
