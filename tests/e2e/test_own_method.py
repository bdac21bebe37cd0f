"""The page that shows how to write a method works as it stands."""

import re
from pathlib import Path

import numpy as np
import pytest
from support.processes import CLIENTS, TINY, Farm, run

from limbeck_common.core.messages import ALL
from limbeck_server.storage.sqlite import SqliteStore

pytestmark = pytest.mark.e2e
PAGE = Path(__file__).parents[2] / "docs" / "own-method.md"


def test_the_pages_own_method_runs_over_the_network(farm: Farm) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(code.splitlines()) < 40
    (farm.folder / "my_vote.py").write_text(code)
    settings = TINY | {"method.name": "my_vote:Vote", "method.options.open_per_round": "30"}
    server, address = farm.server(settings=settings, cwd=farm.folder)
    own = ["--data", "support.tiny:data", "--model", "support.tiny:learner"]
    for process in [farm.client(name, address, "--part", name[-1], *own, cwd=farm.folder) for name in CLIENTS]:
        farm.wait(process)
    farm.wait(server)

    store = SqliteStore(farm.folder / "store")
    for number in (1, 2, 3):
        uplinks, aggregate = (
            [np.asarray(parts["votes"].array[:]) for _, parts in store.uplinks(number)],
            store.aggregate(number, ALL),
        )
        assert aggregate is not None
        assert all(np.array_equal(np.unique(votes), [0, 1]) for votes in uplinks)
        assert np.asarray(aggregate["shares"].array[:]) == pytest.approx(sum(uplinks) / 3, abs=1e-6)
    store.close()
    audited = run("limbeck_server.cli.main", "audit", "--store", str(farm.folder / "store"), cwd=farm.folder)
    assert audited.returncode == 0, audited.stdout
    assert audited.stdout.count("recomputed from them bit for bit") == 3
