"""What a method is: both halves of a paper, the server's and the client's.

A method holds no state. What changes lies where a restart finds it: in the aggregates, which the server's journal
keeps, and in a participant's learners and memory, which its checkpoint keeps.

Four functions make a method; the prefix says who runs each. What only some methods can do has a protocol each, below:
a method has such a power by having its function.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar, Protocol, runtime_checkable

from limbeck_common.core.blocks import Parts
from limbeck_common.core.form import Forms, Plan
from limbeck_common.core.messages import ALL, Aggregate, architecture, group
from limbeck_common.core.section import Section
from limbeck_common.core.spec import Spec
from limbeck_common.learning.learner import Capability
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.server_round import PastRounds, Recipient, Refinement, ServerRound


class Method(Section, ABC):
    """A method and its options.

    `one_start`: all participants' learners start from the same weights. `needs_open`: the method can do nothing without
    open rows. `needs`: what every participant's learner must offer beside predictions.

    >>> from limbeck_common.core.form import Form
    >>> from limbeck_common.methods.server_round import open_sample
    >>> class Average(Method):
    ...     "Clients learn from the mean of all clients' labels."
    ...
    ...     def forms(self, spec):
    ...         labels = Form.labels(spec.output)
    ...         return Forms(up={"labels": labels}, down={"labels": labels})
    ...
    ...     def server_plan(self, server):
    ...         return {"labels": open_sample(server.spec, server.number, 100)}
    ...
    ...     def client_receive(self, client):
    ...         client.distill(client.aggregate["labels"])
    ...
    ...     def client_update(self, client):
    ...         client.fit()
    ...         return {"labels": client.predict("labels")}
    ...
    ...     def server_aggregate(self, server):
    ...         return {"labels": server.map_mean("labels", lambda mean: mean)}
    >>> Average().one_start
    False
    """

    one_start: ClassVar[bool] = False
    needs_open: ClassVar[bool] = True
    needs: ClassVar[frozenset[Capability]] = frozenset()

    @property
    def feature_width(self) -> int:
        """The width of what the models' heads are given, where it must be the same for all; 0 where it need not."""
        return 0

    @abstractmethod
    def forms(self, spec: Spec) -> Forms:
        """Both: declare the parts of uplinks and aggregates, before any work is done."""

    @abstractmethod
    def server_plan(self, server: ServerRound) -> Plan:
        """Server: say which parts the round asks for, and of which rows."""

    @abstractmethod
    def client_receive(self, client: ClientRound) -> None:
        """Client and server's model: learn from the last round's aggregate."""

    @abstractmethod
    def client_update(self, client: ClientRound) -> Parts:
        """Client: train on the private rows, and return the parts that the round asks for."""

    @abstractmethod
    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        """Server: turn a round's uplinks into its aggregate; parts alone are for everybody."""


@runtime_checkable
class Decodes(Protocol):
    """A method whose uplinks say something else than what is to be added up."""

    def server_decode(self, server: ServerRound, parts: Parts) -> Parts:
        """Server: return an uplink's parts as they are to be checked again and added, of the same form as before.

        Raises:
            RefusalError: they cannot be decoded.
        """


@runtime_checkable
class Refines(Protocol):
    """A method whose aggregates go through the server's own model before they go out."""

    def server_refine(self, server: Refinement) -> Aggregate | Parts:
        """Server, in the process of its own model: return the refined aggregate.

        The model will learn from what this returns for it; after a restart, that is all that is left of the call.
        """


@runtime_checkable
class Tailors(Protocol):
    """A method whose downlinks depend on what each client has learned."""

    def server_downlink(self, server: PastRounds, client: Recipient) -> Parts | None:
        """Server: return what a client learns from at the start of its round; None for nothing."""


@runtime_checkable
class TakesModels(Protocol):
    """A method that exchanges parameters of models."""

    def architectures(self, server_model: str) -> dict[str, str]:
        """Server: return the names of the models whose parameters it takes, by what they are called in its forms.

        `server_model` is the name of the server's own.
        """


@runtime_checkable
class Measures(Protocol):
    """A method with metrics of its own."""

    def client_metrics(self, participant: Participant) -> dict[str, float]:
        """Client and server's model: return the metrics of the participant's learners."""


def to_aggregate(found: Aggregate | Parts) -> Aggregate:
    """Return what a method returned as an aggregate."""
    return found if isinstance(found, Aggregate) else Aggregate.to_all(found)


def downlink(method: Method, server: PastRounds, client: Recipient) -> Parts | None:
    """Return what a client learns from at the start of its round; None where the last round made nothing for it."""
    if isinstance(method, Tailors):
        return method.server_downlink(server, client)
    last = client.round - 1
    return merged(
        server.aggregate(last, audience) for audience in (ALL, architecture(client.architecture), group(client.group))
    )


def merged(found: Iterable[Parts | None]) -> Parts | None:
    """Return the parts of several audiences together, the later ones in place of earlier ones; None without any."""
    known = [parts for parts in found if parts is not None]
    return {name: block for parts in known for name, block in parts.items()} if known else None


def metrics_of(method: Method, participant: Participant) -> dict[str, float]:
    """Return a participant's metrics, as its method measures them or else as its learners do."""
    return method.client_metrics(participant) if isinstance(method, Measures) else participant.measure()


def named_models(method: Method, server_model: str) -> Mapping[str, str]:
    """Return the models whose parameters a method takes, by what they are called in its forms; none for most."""
    return method.architectures(server_model) if isinstance(method, TakesModels) else {}
