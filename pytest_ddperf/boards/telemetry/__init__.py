"""What a board's sensors say while it is measured: temperatures, clocks, power, and whether it throttled.

A small shell script (`sampler.sh`) runs on the board, here or over ssh, and prints what it reads, once a second, over
one connection. `source` starts it, `readings` understands its lines, `monitor` keeps what it said and answers for a
stretch of time. Sensors that are not there, and boards that cannot be reached, are unknown, and never an error.
"""
