"""The operator's mind: `fold`, `decide`, `desired`, and one file for each policy. Pure.

Nothing here knows a clock, a loop, a network or a disk: time and random keys are arguments.
"""
