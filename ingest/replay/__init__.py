"""Land what passes now out of quarantine, each record once."""

from ingest.replay.run import ReplayReport, choose_contract, replay
from ingest.replay.tables import Who

__all__ = ["ReplayReport", "Who", "choose_contract", "replay"]
