"""What `up` decides, for every combination of facts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lake.stack.plan import Fact, plan_up

FACTS = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=8).map(
    lambda rows: [
        Fact(service=f"s{i}", recorded=recorded or alive, alive=alive, answers=answers and alive)
        for i, (recorded, alive, answers) in enumerate(rows)
    ]
)


@given(FACTS)
def test_every_service_is_decided_once(facts):
    """No service is forgotten and none gets two decisions."""
    plan = plan_up(facts)

    decided = plan.keep + plan.wait + plan.start + plan.replace
    assert sorted(decided) == sorted(f.service for f in facts)


@given(FACTS)
def test_a_living_process_is_never_launched_again(facts):
    """Two processes on one data folder would destroy it."""
    launched = set(plan_up(facts).launches)

    assert not launched & {f.service for f in facts if f.alive}


@given(FACTS)
def test_a_second_up_is_a_noop(facts):
    """When everything answers there is nothing to do."""
    ready = [Fact(service=f.service, recorded=True, alive=True, answers=True) for f in facts]

    assert not plan_up(ready).wait + plan_up(ready).launches


def test_a_dead_service_is_replaced_and_a_silent_one_waited_for():
    """A recorded child that is gone is told apart from one that never started and one that is slow."""
    plan = plan_up(
        [
            Fact(service="dead", recorded=True, alive=False, answers=False),
            Fact(service="new", recorded=False, alive=False, answers=False),
            Fact(service="slow", recorded=True, alive=True, answers=False),
        ]
    )

    assert (plan.replace, plan.start, plan.wait) == (("dead",), ("new",), ("slow",))
