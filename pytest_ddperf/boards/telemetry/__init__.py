"""Sensor readings of a board while it is measured: temperatures, clocks, power, and whether it throttled.

A small shell script (`sampler.sh`) runs on the board, locally or over one ssh connection, and prints its readings once
a second. `ssh` builds the command and the script, `readings` parses the lines, `monitor` stores the readings and
summarises a period of time. Missing sensors and unreachable boards are reported as unknown and never cause an error.
"""
