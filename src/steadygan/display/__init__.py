"""What is seen and told of runs: the moving lines of one that trains, small pictures, cards of objects; no torch."""
