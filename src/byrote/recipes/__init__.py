"""The training algorithm as slots: networks, objectives, optimizers, schedules."""
