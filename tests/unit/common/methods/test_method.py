"""What a method gets by default."""

import numpy as np
import pytest
from support.aggregators import Past

from limbeck_common.core.blocks import Block, Rows, soft_labels
from limbeck_common.core.messages import Aggregate
from limbeck_common.core.spec import Output, Spec
from limbeck_common.methods.dsfl import DSFL
from limbeck_server.aggregation.aggregator import ServerContext

SPEC = Spec(output=Output(width=2), sample_shape=(1,), sample_dtype="|u1", open_rows=4)
MODELS = {"": {"weight": (2,)}, "wide": {"weight": (9,)}}
ALL, WIDE = (soft_labels(Rows(np.arange(2)), np.full((2, 2), value, np.float32)) for value in (0.5, 0.25))


def context(aggregate: Aggregate) -> ServerContext:
    """Stand on one round, whose clients have two architectures."""

    def find(number: int, group: str) -> Block | None:
        return aggregate.blocks.get(group) if number == 1 else None

    return ServerContext(SPEC, MODELS, find)


@pytest.mark.parametrize("group", ["", "wide"])
def test_what_goes_to_all_reaches_every_group_of_clients(group: str) -> None:
    assert DSFL().server_downlink(context(Aggregate.to_all(ALL)), 2, group, 1) is ALL


def test_a_groups_own_block_comes_before_the_one_for_all() -> None:
    both = context(Aggregate({"": ALL, "wide": WIDE}))
    assert DSFL().server_downlink(both, 2, "wide", 1) is WIDE
    assert DSFL().server_downlink(both, 2, "", 1) is ALL


def test_nothing_comes_of_a_round_that_is_not_there() -> None:
    assert DSFL().server_downlink(context(Aggregate({"wide": WIDE})), 2, "", 1) is None
    assert DSFL().server_downlink(Past(SPEC), 1, "wide", 0) is None
