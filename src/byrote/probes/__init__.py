"""What is read off a network while it trains and after it: one probe a file."""
