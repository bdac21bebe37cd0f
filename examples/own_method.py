"""A method of your own beside DS-FL: clients vote, and rows on which they agree are learned from.

python examples/own_method.py
"""

import numpy as np
from pydantic import PositiveInt

import limbeck
from limbeck import Form, Forms, Kind, Method, OneClass, Space, open_sample


class Agreement(Method):
    """Majority votes, sharpened by how many agree: few votes for a class are as good as none."""

    open_per_round: PositiveInt = 300
    power: float = 2.0

    def forms(self, spec: limbeck.Spec) -> Forms:
        """Both: one class per row goes up, sharpened shares come down."""
        votes = Form(Kind.VOTES, Space.OPEN, spec.output.row_shape, (OneClass(),))
        return Forms(up={"votes": votes}, down={"shares": Form.labels(spec.output)})

    def server_plan(self, server: limbeck.ServerRound) -> limbeck.Plan:
        """Server: ask for votes on open rows, drawn by the federation's seed."""
        return {"votes": open_sample(server.spec, server.number, self.open_per_round)}

    def client_receive(self, client: limbeck.ClientRound) -> None:
        """Client and server's model: train towards the shares."""
        client.distill(client.aggregate["shares"])

    def client_update(self, client: limbeck.ClientRound) -> limbeck.Parts:
        """Client: train on the private rows, and vote."""
        client.fit()
        return {"votes": client.predict("votes")}

    def server_aggregate(self, server: limbeck.ServerRound) -> limbeck.Parts:
        """Server: raise each class's share of the votes to a power, and make shares of that again."""

        def sharpened() -> object:
            for mean in server.means("votes"):
                raised = np.maximum(mean, 1e-6) ** self.power
                yield raised / raised.sum(axis=1, keepdims=True)

        return {"shares": server.block("shares", sharpened(), server.rows("votes"))}


def quiet(line: str) -> None:
    """Show no round."""


if __name__ == "__main__":
    for number, method in enumerate((Agreement(), Agreement(power=4.0), "dsfl:open_per_round=300")):
        folder, settings = f"runs/own-method/{number}", {"model.name": "none"}
        done = limbeck.simulate(method, clients=4, model="mlp", rounds=3, settings=settings, folder=folder, show=quiet)
        print(f"{method}: accuracy {done.accuracy:.3f}, {done.bytes_per_client / 1000:.1f} kB per client")
