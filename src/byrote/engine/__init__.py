"""Trains models by a design and reads them: the audit, its plan, when it may stop, and who does the work."""
