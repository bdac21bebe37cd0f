"""What all parts of the configuration are."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the configuration. It refuses unknown keys by name and never changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
