"""What a plan means: access, cost and exposure, each with its cause."""
