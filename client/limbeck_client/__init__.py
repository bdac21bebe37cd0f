"""The standalone client."""
