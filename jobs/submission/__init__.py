"""Plan → jobs in Slurm's hands, and what became of them."""
