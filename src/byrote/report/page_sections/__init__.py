"""The sections of a report's page, as blocks: one function for each, in files by what they are about."""
