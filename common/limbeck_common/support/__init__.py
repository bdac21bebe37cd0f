"""Small parts that every program needs: disk, addresses, the command line, plugins, diagnostics."""
