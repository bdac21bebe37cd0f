"""Properties are about values, not about time: on a busy machine an example may take as long as it needs.

HYPOTHESIS_PROFILE=repeatable draws the same examples every time and does not shrink a failing one.
"""

import os

from hypothesis import Phase, settings

settings.register_profile("untimed", deadline=None)
settings.register_profile(
    "repeatable", deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "untimed"))
