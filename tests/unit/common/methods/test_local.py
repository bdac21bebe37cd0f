"""The floor: rounds in which nothing is said."""

import numpy as np
from support.small_models import SPEC, aggregator, participant

from limbeck_common.core.blocks import NO_ROWS
from limbeck_common.core.messages import Downlink
from limbeck_common.methods.local import Local
from limbeck_common.wire.codec import decode_downlink, encode_downlink, read_message, write_message
from limbeck_common.wire.v1 import federation_pb2


def test_an_empty_block_passes_the_servers_checks_and_the_wire() -> None:
    sent = Local().client_update(participant(), NO_ROWS, 1)
    aggregate = aggregator(Local(), {"a": sent, "b": sent}, {}).aggregate().blocks[""]
    message = write_message(*encode_downlink(Downlink("f", 2, aggregate, NO_ROWS)))
    arrived = decode_downlink(*read_message(message, federation_pb2.Downlink()), SPEC.open_rows)
    assert arrived.wanted is not None
    assert len(arrived.wanted) == 0
    assert arrived.aggregate is not None
    assert arrived.aggregate.array.shape == (0, 2)


def test_a_client_comes_out_as_one_without_a_federation() -> None:
    federated, alone = participant(), participant()
    for number in (1, 2):
        federated_block = Local().client_update(federated, NO_ROWS, number)
        Local().client_receive(federated, federated_block, number)
        alone.fit()
    assert np.array_equal(federated.parameters()["weight"], alone.parameters()["weight"])
    assert not np.array_equal(alone.parameters()["weight"], participant().parameters()["weight"])
