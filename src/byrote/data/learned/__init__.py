"""What is learned of an example: one class, a set of labels, a number, several numbers, or the next tokens."""
