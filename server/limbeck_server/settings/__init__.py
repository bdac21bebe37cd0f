"""The daemon's settings: which keys there are (`sections`) and where their values come from (`sources`)."""

from limbeck_server.settings.sections import (
    Count,
    FederationSettings,
    LimitSettings,
    ListenSettings,
    LobbySettings,
    LogSettings,
    ModelSettings,
    OpenSettings,
    RoundSettings,
    Settings,
    StoreSettings,
    Time,
    TlsSettings,
)
from limbeck_server.settings.sources import DATA_VARIABLE, load, read_pairs

__all__ = [
    "DATA_VARIABLE",
    "Count",
    "FederationSettings",
    "LimitSettings",
    "ListenSettings",
    "LobbySettings",
    "LogSettings",
    "ModelSettings",
    "OpenSettings",
    "RoundSettings",
    "Settings",
    "StoreSettings",
    "Time",
    "TlsSettings",
    "load",
    "read_pairs",
]
