"""What can be done about memorization: one change of data, recipe or model a file; it makes a child run."""
