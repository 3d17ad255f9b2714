"""The engine: state, executor, loop and run folder. It knows parts and batches, never a paper's name."""
