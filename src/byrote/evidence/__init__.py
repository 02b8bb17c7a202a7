"""What was recorded: the kinds of evidence, shards with checksums, the manifest, tables."""
