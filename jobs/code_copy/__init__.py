"""The code as it was when jobs were submitted, kept for them until they have run: here, and behind ssh.

A snapshot (`snapshot`) is a set of files named by their contents. Jobs on this machine's Slurm import from
one beside the stores (`own_copy`); `jobs.remote` brings one to a cluster behind ssh. Old ones go (`tidy`).
"""
