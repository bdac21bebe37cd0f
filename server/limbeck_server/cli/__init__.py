"""The `limbeck-server` program."""
