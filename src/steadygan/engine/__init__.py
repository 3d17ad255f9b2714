"""One iteration, and who computes it: the objective, draws and executors. It knows parts, never a paper's name."""
