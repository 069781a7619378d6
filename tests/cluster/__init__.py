"""A real, throwaway Slurm on one machine: slurmctld, slurmdbd on MariaDB, munge, four slurmd, two sshd.

All state is in one temporary folder, all ports are free ones of 127.0.0.1, and everything ends with the
process that started it. Each node is a set of namespaces of its own: it has its own host name and its
own process numbers, and when it is killed, everything on it dies. It needs root and Debian's packages.
"""
