"""The client: joins a federation, works on its rounds, and lets nothing leave that its owner has not allowed."""
