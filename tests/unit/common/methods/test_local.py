"""The floor: rounds in which nothing is said."""

import numpy as np
from support.small_models import SPEC, aggregator, participant

from limbeck_common.core.messages import ALL, Downlink
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.local import Local
from limbeck_common.wire.codec import decode_downlink, encode_downlink, read_message, write_message
from limbeck_common.wire.v1 import federation_pb2


def test_rounds_without_parts_pass_the_servers_checks_and_the_wire() -> None:
    sent = Local().client_update(ClientRound(participant(), 1))
    aggregate = aggregator(Local(), {"a": sent, "b": sent}, {}).aggregate().blocks[ALL]
    message = write_message(*encode_downlink(Downlink("f", 2, aggregate, {})))
    arrived = decode_downlink(*read_message(message, federation_pb2.Downlink()), SPEC.open_rows)
    assert (arrived.plan, arrived.aggregate) == ({}, {})  # the round is not a closing one, and there is an aggregate


def test_a_client_comes_out_as_one_without_a_federation() -> None:
    federated, alone = participant(), participant()
    for number in (1, 2):
        client = ClientRound(federated, number)
        Local().client_receive(client)
        assert Local().client_update(client) == {}
        alone.fit()
    assert np.array_equal(federated.parameters()["weight"], alone.parameters()["weight"])
    assert not np.array_equal(alone.parameters()["weight"], participant().parameters()["weight"])
