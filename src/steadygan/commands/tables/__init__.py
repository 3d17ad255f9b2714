"""What commands tabulate: runs side by side, why they differ, and how a paper stands against them."""
