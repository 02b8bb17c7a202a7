"""Reference networks, and the door for any other."""
