"""The recipe: how learners train. The operator sets it for all, and the owner of a torch model may say more."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, model_validator

from limbeck_common.core.section import Section


class Steps(Section):
    """How an optimizer goes over rows in one round.

    A schedule runs from the federation's first round to its last; with `fresh` it starts anew in every round.

    >>> Steps(learning_rate=0.1, schedule="cosine", warmup=0.5).rate(0.25).__round__(3)
    0.043
    """

    epochs: Annotated[int, Field(ge=0, description="Epochs per round.")] = 5
    batch_size: Annotated[PositiveInt, Field(description="Rows per optimizer step.")] = 20
    optimizer: Annotated[Literal["sgd", "adam", "adamw"], Field(description="Optimizer.")] = "sgd"
    learning_rate: Annotated[float, Field(gt=0, description="Learning rate, where the schedule is at its highest.")] = (
        0.02
    )
    momentum: Annotated[float, Field(ge=0, lt=1, description="Momentum of SGD.")] = 0.9
    weight_decay: Annotated[float, Field(ge=0, description="L2 penalty; with adamw, decoupled decay.")] = 0.0
    schedule: Annotated[
        Literal["constant", "cosine"], Field(description="Course of the learning rate; cosine ends at 0.")
    ] = "constant"
    warmup: Annotated[
        float, Field(ge=0, lt=1, description="Share of the schedule in which the rate rises from 0, linearly.")
    ] = 0.0
    clip: Annotated[float, Field(ge=0, description="Largest norm of a step's gradient; 0 sets no limit.")] = 0.0
    fresh: Annotated[
        bool, Field(description="Begin each round with a new optimizer, in place of the last round's.")
    ] = False

    def rate(self, progress: float) -> float:
        """Return the learning rate where a share `progress` of the schedule, from 0 to 1, is over."""
        rising = min(1.0, progress / self.warmup) if self.warmup else 1.0
        course = (1 + math.cos(math.pi * min(1.0, progress))) / 2 if self.schedule == "cosine" else 1.0
        return self.learning_rate * rising * course


class Fit(Steps):
    """How a learner trains on its private rows, which are shuffled in every epoch.

    >>> Fit(epochs=2, batch_size=50).epochs
    2
    """

    augment: Annotated[
        Literal["none", "flip_crop"],
        Field(description="Change of images in training; flip_crop mirrors and shifts them by up to 4 pixels."),
    ] = "none"
    class_weights: Annotated[
        Literal["none", "balanced"],
        Field(description="Weights of classes in the loss; balanced makes all classes of a client count the same."),
    ] = "none"


class Distill(Steps):
    """How a learner trains towards an aggregate.

    The loss is alpha * T^2 * KL(p_T | q_T) + (1 - alpha) * CE(y, q_1), where q_T is the model's softmax of scores / T,
    p_T the aggregate's, and y the label of the open row where the participant knows it, else alpha is 1.

    >>> Distill(temperature=3.0).alpha
    1.0
    """

    shuffle: Annotated[bool, Field(description="Shuffle the rows in every epoch.")] = True
    temperature: Annotated[
        float, Field(gt=0, description="T of the softmax on both sides; the loss is scaled by T^2.")
    ] = 1.0
    alpha: Annotated[
        float, Field(ge=0, le=1, description="Share of the aggregate in the loss, beside labels of open rows.")
    ] = 1.0


class Recipe(Section):
    """How every model trains: the same on every client.

    >>> recipe = Recipe.model_validate({"distill": {"epochs": 3}, "server": {"optimizer": "adam"}})
    >>> recipe.server.epochs, recipe.server.optimizer
    (3, 'adam')
    """

    fit: Annotated[Fit, Field(description="Training on private rows.")] = Fit()
    distill: Annotated[Distill, Field(description="Training towards an aggregate.")] = Distill()
    server: Annotated[Distill | None, Field(description="What differs for the server's own model, from `distill`.")] = (
        None
    )
    mixed_precision: Annotated[bool, Field(description="Compute with bfloat16 on CUDA devices.")] = False
    threads: Annotated[PositiveInt, Field(description="Threads of torch; a model's last bits depend on it.")] = 1
    evaluate_every: Annotated[
        int, Field(ge=0, description="Rounds from one evaluation to the next; 0 evaluates at the end only.")
    ] = 1

    @model_validator(mode="before")
    @classmethod
    def _complete_server(cls, values: Any) -> Any:
        """Fill the server's section up from `distill`."""
        if not isinstance(values, dict) or not isinstance(values.get("server"), dict):
            return values
        distill = values.get("distill", {})
        known = distill.model_dump() if isinstance(distill, Distill) else distill
        return {**values, "server": {**known, **values["server"]}}
