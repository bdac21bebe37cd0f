"""The built-in learner that is not torch: a random forest. Importing this imports scikit-learn."""

from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from limbeck_common.core.spec import Output
from limbeck_common.learning.sklearn_learner import SklearnLearner


def forest(output: Output, seed: int) -> SklearnLearner:
    """Return a random forest of 100 trees."""
    kind = RandomForestRegressor if output.task == "regression" else RandomForestClassifier
    return SklearnLearner(kind(100, random_state=seed % 2**32), output)
