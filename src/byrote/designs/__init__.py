"""Who is trained on what."""
