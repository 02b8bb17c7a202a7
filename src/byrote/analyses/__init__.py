"""What is asked of runs: one question a file; some train further models to answer it."""
