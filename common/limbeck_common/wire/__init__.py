"""The protocol in bytes: generated stubs in `v1`, and the codec between them and `messages`."""
