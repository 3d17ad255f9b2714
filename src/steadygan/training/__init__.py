"""A sitting: runs set up, trained together or alone, watched, written down."""
