"""What a client gets by default: parts for all, for its architecture and for its group."""

import numpy as np
import pytest
from support.aggregators import Past, history

from limbeck_common.core.blocks import Parts, Rows, soft_labels
from limbeck_common.core.messages import ALL, SERVER, Aggregate, architecture, group
from limbeck_common.core.spec import Output, Spec
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.methods.method import downlink, named_models, to_aggregate
from limbeck_common.methods.server_round import Recipient
from limbeck_server.aggregation.open_round import History

SPEC = Spec(output=Output(width=2), sample_shape=(1,), sample_dtype="|u1", open_rows=4)
FOR_ALL, WIDE, MINE = (
    {"labels": soft_labels(Rows(np.arange(2)), np.full((2, 2), value, np.float32))} for value in (0.5, 0.25, 0.75)
)


def past(aggregate: Aggregate) -> History:
    """Stand on one round."""

    def find(number: int, audience: str) -> Parts | None:
        return aggregate.blocks.get(audience) if number == 1 else None

    return History(SPEC, {}, find)


@pytest.mark.parametrize("client", [Recipient(2), Recipient(2, "near", "wide", 1)])
def test_what_goes_to_all_reaches_every_client(client: Recipient) -> None:
    assert downlink(DSFL(), past(Aggregate.to_all(FOR_ALL)), client) == FOR_ALL


def test_a_part_for_an_architecture_comes_before_the_one_for_all_and_a_groups_before_both() -> None:
    blocks = {ALL: FOR_ALL, architecture("wide"): WIDE, group("near"): MINE, SERVER: {}}
    for client, expected in {
        Recipient(2): FOR_ALL,
        Recipient(2, architecture="wide"): WIDE,
        Recipient(2, "far", "wide"): WIDE,
        Recipient(2, "near", "wide"): MINE,
    }.items():
        assert downlink(DSFL(), past(Aggregate(blocks)), client) == expected


def test_parts_of_other_names_come_together() -> None:
    together = past(Aggregate({ALL: {"labels": FOR_ALL["labels"]}, group("near"): {"own": MINE["labels"]}}))
    found = downlink(DSFL(), together, Recipient(2, "near"))
    assert found == {"labels": FOR_ALL["labels"], "own": MINE["labels"]}


def test_nothing_comes_of_a_round_that_made_nothing_for_a_client_or_is_not_there() -> None:
    assert downlink(DSFL(), past(Aggregate({architecture("wide"): WIDE})), Recipient(2)) is None
    assert downlink(DSFL(), Past(SPEC), Recipient(1, "near")) is None


def test_parts_alone_are_for_everybody() -> None:
    assert to_aggregate(FOR_ALL).blocks == {ALL: FOR_ALL}
    assert to_aggregate(kept := Aggregate({})) is kept


def test_a_method_of_predictions_takes_no_models() -> None:
    assert named_models(DSFL(), "cnn") == {}
    assert history(SPEC).aggregate(1) is None
