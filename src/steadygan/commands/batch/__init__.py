"""Many runs at once: tasks, the queue that does them, and who trains them, processes here or a cluster."""
