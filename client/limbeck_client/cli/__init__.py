"""The `limbeck-client` program."""
