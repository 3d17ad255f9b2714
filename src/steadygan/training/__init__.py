"""Training: runs set up, trained together or alone, monitored, recorded."""
