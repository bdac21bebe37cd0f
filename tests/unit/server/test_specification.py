"""A journal goes on under the specification that it was begun with, and a difference is named."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from limbeck_common.core.errors import SettingsError
from limbeck_common.core.spec import Output, Spec
from limbeck_server.open_data import OpenData
from limbeck_server.settings import Settings
from limbeck_server.specification import check_same, make_spec


def spec_of(rows: NDArray[Any] | None = None, **settings: object) -> Spec:
    data = np.zeros((4, 1, 2, 2), np.uint8) if rows is None else rows
    open_data = OpenData(b"x", Output(width=3), len(data), data.shape[1:], data.dtype.str, data)
    return make_spec(Settings.model_validate(settings), open_data)


def test_a_default_that_is_written_out_changes_nothing() -> None:
    written = spec_of(method={"name": "dsfl", "options": {"aggregation": "era", "temperature": 0.1}})
    assert written == spec_of()
    check_same("store", spec_of().model_dump_json(), written)
    check_same("store", None, written)


def test_settings_that_differ_are_named_with_both_values() -> None:
    kept = spec_of(recipe={"fit": {"batch_size": 50}}, federation={"rounds": 10}).model_dump_json()
    mine = spec_of(
        recipe={"fit": {"batch_size": 20}}, federation={"rounds": 12}, method={"name": "dsfl", "options": {"beta": 2.0}}
    )
    with pytest.raises(SettingsError) as caught:
        check_same("store", kept, mine)
    assert caught.value.wrong == (
        "store holds the journal of a federation with other settings: method.options.beta was 1.5 and is now 2.0; "
        "recipe.fit.batch_size was 50 and is now 20; rounds was 10 and is now 12"
    )


def test_bytes_are_standardised_by_the_open_rows_mean_and_deviation_per_channel() -> None:
    rows = np.zeros((2, 2, 1, 2), np.uint8)
    rows[:, 0] = 51
    rows[:, 1] = [[0, 255]]
    spec = spec_of(rows)
    assert spec.input_mean == (0.2, 0.5)
    assert spec.input_std == (0.001, 0.5)  # a channel without contrast is not divided by 0
    assert spec_of(rows.astype(np.float32)).input_mean == (0.0,)
