"""A cluster config with `host:` from the laptop: every command runs there, over the user's own ssh.

What travels is a snapshot of the code (`jobs.code_copy`, `upload`), once for each state of it, and for each
command one request on the standard input of one ssh (`call` → `there`). No word of the user's becomes part
of a command line.
"""
