"""A run on disk and in hand: its folder, records, log, settings, checkpoints, and what is made of it."""
