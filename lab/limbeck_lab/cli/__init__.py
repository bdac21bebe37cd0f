"""The console program `limbeck-lab`: one module per command."""
