"""Tables for commands: runs side by side, why they differ, and how a paper compares with them."""
