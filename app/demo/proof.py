"""The proof of a demo run: sums that can only come out when nothing was lost, doubled or invented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Provable(Protocol):
    """A part of the proof."""

    def violations(self) -> tuple[str, ...]:
        """Return each sum that does not come out, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamProof:
    """One topic, counted by those who do not know each other.

    `source`, `planted`, `produced` and `not_due` come from the source system, the rest from the tables.
    """

    stream: str
    source: int
    planted: int
    produced: int
    not_due: int
    landed: int
    quarantined: int
    duplicates: int

    def violations(self) -> tuple[str, ...]:
        """Return each sum that does not come out, in words."""
        found = []
        if self.source + self.planted != self.produced + self.not_due:
            found.append(
                f"{self.stream}: source {self.source:,} + planted {self.planted:,}"
                f" ≠ produced {self.produced:,} + not yet due {self.not_due:,}"
            )
        if self.produced != self.landed + self.quarantined:
            found.append(
                f"{self.stream}: produced {self.produced:,}"
                f" ≠ landed {self.landed:,} + quarantined {self.quarantined:,}"
            )
        if self.planted != self.quarantined:
            found.append(f"{self.stream}: planted {self.planted:,} ≠ quarantined {self.quarantined:,}")
        if self.duplicates:
            found.append(f"{self.stream}: {self.duplicates:,} duplicates")
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractProof:
    """One API resource: what the API says it serves against what the table holds."""

    stream: str
    served: int
    landed: int
    quarantined: int
    duplicates: int

    def violations(self) -> tuple[str, ...]:
        """Return each sum that does not come out, in words."""
        found = []
        if self.served != self.landed + self.quarantined:
            found.append(
                f"{self.stream}: served {self.served:,}"
                f" ≠ landed {self.landed:,} + quarantined {self.quarantined:,}"
            )
        if self.duplicates:
            found.append(f"{self.stream}: {self.duplicates:,} duplicates")
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditProof:
    """The audits of the newest run of every model interval."""

    passed: int
    failed: int

    def violations(self) -> tuple[str, ...]:
        """Return what is wrong in words; a run without any audit proves nothing."""
        if self.failed:
            return (f"{self.failed} audits failed",)
        return () if self.passed else ("no audit ran",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationProof:
    """The sync's ledger against the rows that the mart wants and the CRM holds."""

    sync: str
    wanted: int
    ledger: int
    destination: int

    def violations(self) -> tuple[str, ...]:
        """Return each sum that does not come out, in words."""
        if self.wanted == self.ledger == self.destination:
            return ()
        counts = f"the mart wants {self.wanted:,}, the ledger has {self.ledger:,}"
        return (f"{self.sync}: {counts}, the destination holds {self.destination:,}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """How long a step took and whether it had anything to do."""

    step: str
    seconds: float
    already_done: bool
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionsProof:
    """The file of promotions against what landed of it, and that against what the mart counts."""

    source: int
    landed: int
    quarantined: int
    duplicates: int
    built: int
    steps: tuple[StepTime, ...]

    @property
    def already_done(self) -> bool:
        """Tell whether this run had nothing to do."""
        return all(step.already_done for step in self.steps if step.step in {"land", "plan"})

    def violations(self) -> tuple[str, ...]:
        """Return each sum that does not come out, in words."""
        extract = ExtractProof(
            stream="promotions",
            served=self.source,
            landed=self.landed,
            quarantined=self.quarantined,
            duplicates=self.duplicates,
        )
        found = extract.violations()
        if self.built != self.landed:
            found += (f"promotions: landed {self.landed:,} ≠ counted in the mart {self.built:,}",)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Everything that `make demo` prints at its end."""

    streams: tuple[StreamProof, ...]
    extracts: tuple[ExtractProof, ...]
    audits: AuditProof
    activation: ActivationProof
    steps: tuple[StepTime, ...]

    def violations(self) -> tuple[str, ...]:
        """Return every sum that does not come out; empty means proven."""
        parts: tuple[Provable, ...] = (*self.streams, *self.extracts, self.audits, self.activation)
        return tuple(line for part in parts for line in part.violations())
