"""The independent checker: what the robots were answered x the raw log x SQL x five doors, case by case.

It imports nothing of the platform, so that a mistake there cannot hide itself here.
"""
