"""The built-in learner that is not torch: a random forest. Importing this imports scikit-learn."""

from sklearn.ensemble import RandomForestClassifier

from limbeck_common.learning.sklearn_learner import SklearnLearner


def forest(classes: int, seed: int) -> SklearnLearner:
    """Return a random forest of 100 trees."""
    return SklearnLearner(RandomForestClassifier(100, random_state=seed % 2**32), classes)
