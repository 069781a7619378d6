"""What Slurm says and what it is asked. Only `commands` runs its programs; all parsing is pure."""
