"""A server that puts a client, in any language, into every situation that it must survive."""
