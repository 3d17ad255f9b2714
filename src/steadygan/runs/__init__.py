"""A run on disk and in memory: its folder, records, log, settings, checkpoints, and exports."""
